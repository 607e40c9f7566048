package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// moveToDisk moves PostgreSQL's data to a small file system in memory, which a fault
// can fill without harm to the machine. Where mounting is not allowed it does nothing.
func (s *Servers) moveToDisk(ctx context.Context, bytes int64) error {
	dir := s.Dir(Postgres)
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
		return err // a link: the data is outside the checkout, where nothing is mounted
	}
	if _, err := s.Do(ctx, "stop", string(Postgres)); err != nil {
		return err
	}
	small, err := os.MkdirTemp(s.folder, "disk-")
	if err != nil {
		return err
	}
	defer os.Remove(small)
	if err := s.mountCopy(ctx, dir, small, bytes); err == nil {
		s.Disk = dir
	}
	_, err = s.Do(ctx, "start", string(Postgres))
	return err
}

// mountCopy copies dir to a new file system and mounts that in its place.
func (s *Servers) mountCopy(ctx context.Context, dir, small string, bytes int64) error {
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", bytes)); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "cp", "-a", dir+"/.", small).CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("copy PostgreSQL's data: %w: %s", err, out), syscall.Unmount(small, 0))
	}
	return syscall.Mount(small, dir, "", syscall.MS_MOVE, "")
}

func (s *Servers) unmountDisk() error {
	s.Disk = ""
	err := syscall.Unmount(s.Dir(Postgres), 0)
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return nil // nothing is mounted there
	}
	return err
}

func (s *Servers) balloon() string { return filepath.Join(s.Disk, "balloon") }

// FillDisk fills PostgreSQL's disk.
func (s *Servers) FillDisk() error {
	file, err := os.Create(s.balloon())
	if err != nil {
		return err
	}
	defer file.Close()
	zeros := make([]byte, 1<<20)
	for {
		_, err := file.Write(zeros)
		switch {
		case errors.Is(err, syscall.ENOSPC) && len(zeros) > 4096:
			zeros = zeros[:len(zeros)/2]
		case errors.Is(err, syscall.ENOSPC):
			return nil
		case err != nil:
			return err
		}
	}
}

// FreeDisk frees the space that FillDisk took.
func (s *Servers) FreeDisk() error { return os.Remove(s.balloon()) }

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

// moveToDisk gives PostgreSQL a file system of its own in memory, so that it can be
// filled without harm to the machine's. Where that is not allowed there is none.
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

// mountCopy fills a new file system with what is in dir, and puts it in its place.
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

// FillDisk takes all space on PostgreSQL's disk.
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

// FreeDisk gives the space back.
func (s *Servers) FreeDisk() error { return os.Remove(s.balloon()) }

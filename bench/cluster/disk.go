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

// moveToDisk moves PostgreSQL's data to a separate file system in memory, which can be
// filled without affecting the machine. It changes nothing if mounting is not allowed.
func (s *Servers) moveToDisk(ctx context.Context, bytes int64) error {
	dir := s.Dir(Postgres)
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
		return err // a link: never mount anything outside the checkout
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

// mountCopy copies the files in dir to a new file system and mounts it on dir.
func (s *Servers) mountCopy(ctx context.Context, dir, small string, bytes int64) error {
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", bytes)); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "cp", "-a", dir+"/.", small).CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("copy PostgreSQL's data: %w: %s", err, out), syscall.Unmount(small, 0))
	}
	return syscall.Mount(small, dir, "", syscall.MS_MOVE, "")
}

// unmountDisk removes PostgreSQL's separate file system, if it has one.
func (s *Servers) unmountDisk() error {
	s.Disk = ""
	err := syscall.Unmount(s.Dir(Postgres), 0)
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return nil // nothing is mounted there
	}
	return err
}

// filler returns the path of the file that fills the disk.
func (s *Servers) filler() string { return filepath.Join(s.Disk, "filler") }

// FillDisk uses up all space on PostgreSQL's disk.
func (s *Servers) FillDisk() error {
	file, err := os.Create(s.filler())
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

// FreeDisk frees the space that FillDisk used.
func (s *Servers) FreeDisk() error { return os.Remove(s.filler()) }

package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// FindRoot returns the root of the checkout that contains the working folder.
func FindRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "deploy", "local")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("the working folder is not in a checkout of the project; run the command there")
		}
		dir = parent
	}
}

// LockFolder creates the folder, locks it until unlock is called or the process ends,
// and returns its absolute path. It returns an error while another process holds it.
func LockFolder(path string) (folder string, unlock func(), err error) {
	if folder, err = filepath.Abs(path); err != nil {
		return "", nil, err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", nil, err
	}
	lock, err := os.OpenFile(filepath.Join(folder, "running"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return "", nil, fmt.Errorf("another run is using %s", folder)
	}
	return folder, func() { lock.Close() }, nil
}

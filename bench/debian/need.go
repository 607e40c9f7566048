// Package debian installs programs that a benchmark needs from Debian's packages.
package debian

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Need installs the packages unless the program is in PATH. If it cannot install them,
// the error says what to do.
func Need(ctx context.Context, program string, packages ...string) error {
	if _, err := exec.LookPath(program); err == nil {
		return nil
	}
	install := "apt-get install -y --no-install-recommends " + strings.Join(packages, " ")
	if _, err := exec.LookPath("apt-get"); err != nil {
		return errors.New(program + " is missing and apt-get is not available; install " + program + " in a folder of PATH")
	}
	if os.Geteuid() != 0 {
		return errors.New(program + " is not installed; run: sudo " + install)
	}
	fmt.Fprintln(os.Stderr, "installing", strings.Join(packages, " "))
	cmd := exec.CommandContext(ctx, "sh", "-c", "apt-get update -q && "+install)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("install %s: %w: %s", program, err, out)
	}
	return nil
}

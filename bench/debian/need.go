// Package debian installs what a benchmark needs and the machine lacks, from
// Debian's packages.
package debian

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Need makes sure that a program is there; packages are those that have it. The
// error says in one sentence what to do where they cannot be installed from here.
func Need(ctx context.Context, program string, packages ...string) error {
	if _, err := exec.LookPath(program); err == nil {
		return nil
	}
	install := "apt-get install -y --no-install-recommends " + strings.Join(packages, " ")
	if _, err := exec.LookPath("apt-get"); err != nil {
		return errors.New(program + " is needed, and there is no apt-get to install it with; put it into PATH and try again")
	}
	if os.Geteuid() != 0 {
		return errors.New(program + " is not installed; `sudo " + install + "` does it")
	}
	fmt.Fprintln(os.Stderr, "installing", strings.Join(packages, " "))
	cmd := exec.CommandContext(ctx, "sh", "-c", "apt-get update -q && "+install)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("install %s: %w: %s", program, err, out)
	}
	return nil
}

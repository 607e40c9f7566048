// Command client generates a TypeScript client from the service's OpenAPI document with
// openapi-typescript, compiles it under strict rules, and uses the API with it: create,
// wait, read, list, update, delete. It needs node and npm, and installs them from
// Debian's packages if they are missing.
//
// It runs one replica of the real binary with its own servers, under .local/client.
// Everything except npm's installation is on loopback.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"vitrine/bench/cluster"
	"vitrine/bench/debian"
)

// token is the ADMIN_TOKEN of the service.
const token = "the token of client"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	for _, program := range []string{"node", "npm"} {
		if err := debian.Need(ctx, program, "nodejs", "npm"); err != nil {
			return err
		}
	}
	root, err := cluster.FindRoot()
	if err != nil {
		return err
	}
	folder, unlock, err := cluster.LockFolder(filepath.Join(".local", "client"))
	if err != nil {
		return err
	}
	defer unlock()
	source, err := serveSource()
	if err != nil {
		return err
	}
	defer source.Close()
	c, err := cluster.Start(ctx, cluster.Config{
		Root: root, Folder: folder, Replicas: 1, Progress: os.Stdout,
		Env: map[string]string{
			"LOG_LEVEL": "warn", "ADMIN_TOKEN": token, "FETCH_ALLOW_CIDRS": "127.0.0.1/32", "FETCH_ALLOW_PORTS": source.port,
		},
	})
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Minute)
		defer cancel()
		err = errors.Join(err, c.Close(closing, err == nil))
	}()
	if err != nil {
		return err
	}
	return check(ctx, root, filepath.Join(folder, "check"), c.URL, source.url)
}

// check generates, compiles and runs the client in the folder.
func check(ctx context.Context, root, folder, url, picture string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc", "tsconfig.json", "walk.ts"} {
		text, err := os.ReadFile(filepath.Join(root, "bench", "client", "check", name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
			return err
		}
	}
	if err := download(ctx, url+"/openapi.json", filepath.Join(folder, "openapi.json")); err != nil {
		return err
	}
	environment := append(os.Environ(), "VITRINE_URL="+url, "VITRINE_TOKEN="+token, "VITRINE_PICTURE="+picture)
	for _, args := range [][]string{{"ci", "--ignore-scripts"}, {"run", "generate"}, {"run", "compile"}, {"run", "walk"}} {
		if err := npm(ctx, folder, environment, args); err != nil {
			return err
		}
	}
	fmt.Println("the generated client compiles and works with the API")
	return nil
}

// npm runs an npm command for five minutes at most.
func npm(ctx context.Context, folder string, environment, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	fmt.Println("npm", strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, "npm", append([]string{"--silent"}, args...)...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = folder, environment, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("npm %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// download writes the response of the URL to a file.
func download(ctx context.Context, url, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

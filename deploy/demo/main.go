// Command demo starts the service for a first look. It serves a few images from
// loopback and lets the service fetch them. If the catalogue is empty, it creates
// products with these images. It prints the result for each image and keeps everything
// running until it is interrupted.
//
// Usage: demo PATH-OF-VITRINE, with the service's settings in the environment.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

func main() {
	// The kernel stops the service together with the thread that started it.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: demo PATH-OF-VITRINE")
		os.Exit(2)
	}
	if err := run(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run shows the demo and returns when ctx ends or the service exits.
func run(ctx context.Context, binary string) error {
	source, err := serveScenes(ctx)
	if err != nil {
		return err
	}
	defer source.close()

	service, err := startService(binary, source)
	if err != nil {
		return err
	}
	defer service.stop()
	c := newClient(service.url)
	err = service.waitReady(ctx, c)
	if err == nil {
		err = show(ctx, c, source)
	}
	if ctx.Err() != nil {
		return nil // Ctrl-C is not an error
	}
	if err != nil {
		return err
	}
	fmt.Printf("\nServing on %s until Ctrl-C. Log: %s\n", service.url, service.logPath)
	fmt.Printf("Try: curl -s '%s/products?limit=3'\n", service.url)
	select {
	case <-ctx.Done():
		fmt.Println("\nStopping.")
		return nil
	case <-service.exited:
		return fmt.Errorf("the service exited; see %s", service.logPath)
	}
}

// show prints the images of the catalogue's products. It creates the demo's products
// first if the catalogue is empty, and waits for their images.
func show(ctx context.Context, c *client, source *source) error {
	products, err := c.list(ctx)
	if err != nil {
		return err
	}
	if len(products) > 0 {
		fmt.Printf("The catalogue already has products; these are the newest.\n\n")
		return printTable(products, source, nil)
	}
	fmt.Printf("Creating a user and %d products; their images come from %s\n\n", len(scenes), source.url)
	took, err := create(ctx, c, source)
	if err != nil {
		return err
	}
	if products, err = c.list(ctx); err != nil {
		return err
	}
	return printTable(products, source, took)
}

// create posts one product per scene and waits until their images are ready or
// failed. It returns the time from each POST to that moment, by product id.
func create(ctx context.Context, c *client, source *source) (map[int64]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	user, err := c.createUser(ctx, "Demo", fmt.Sprintf("demo-%d@example.com", time.Now().UnixNano()))
	if err != nil {
		return nil, err
	}
	posted := map[int64]time.Time{}
	for _, s := range scenes {
		p, err := c.createProduct(ctx, user, s.product, s.description, s.price, source.urlOf(s))
		if err != nil {
			return nil, err
		}
		posted[p.ID] = time.Now()
	}
	took := map[int64]time.Duration{}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for len(posted) > 0 {
		for id, since := range posted {
			p, err := c.product(ctx, id)
			if err != nil {
				return nil, err
			}
			if p.ImageStatus != "pending" {
				took[id] = time.Since(since)
				delete(posted, id)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("%d images are still pending", len(posted)), ctx.Err())
		}
	}
	return took, nil
}

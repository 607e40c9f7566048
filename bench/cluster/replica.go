package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

// Replica is one process of the service. It keeps its addresses across restarts.
type Replica struct {
	Name, URL, AdminURL string
	// Links are the proxies to the servers; nil if it connects directly.
	Links map[Server]*Link

	addr, admin, binary, logPath string
	env                          []string
	spawner                      *spawner
	process                      *process
}

// exitLimit bounds the wait for an orderly stop.
const exitLimit = 30 * time.Second

// Start starts the process. It may not be ready yet when Start returns.
func (r *Replica) Start() error {
	p, err := r.spawner.start(r.logPath, r.env, r.binary)
	if err != nil {
		return fmt.Errorf("start %s: %w", r.Name, err)
	}
	r.process = p
	return nil
}

// Pid returns the process id, or zero if the process is not running.
func (r *Replica) Pid() int {
	if r.process == nil || r.process.ended() {
		return 0
	}
	return r.process.cmd.Process.Pid
}

// Kill kills the process with SIGKILL.
func (r *Replica) Kill() { r.process.kill() }

// Freeze suspends the process with SIGSTOP; Thaw resumes it.
func (r *Replica) Freeze() error { return r.process.signal(syscall.SIGSTOP) }

// Thaw resumes a frozen process.
func (r *Replica) Thaw() error { return r.process.signal(syscall.SIGCONT) }

// Stop ends the process with SIGTERM. It returns an error if the exit is late or not
// clean.
func (r *Replica) Stop() error {
	if err := r.process.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-r.process.done:
	case <-time.After(exitLimit):
		r.process.kill()
		return fmt.Errorf("no exit within %s of SIGTERM", exitLimit)
	}
	if r.process.err != nil {
		return fmt.Errorf("exit: %w", r.process.err)
	}
	return nil
}

func (r *Replica) close() {
	if r.process != nil {
		r.process.kill()
	}
}

var probeClient = &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// Problem returns a description of what keeps the replica from being healthy according
// to /readyz, or "" if it is ready and all dependencies are up.
func (r *Replica) Problem(ctx context.Context) string {
	if r.process != nil && r.process.ended() {
		return r.Name + " is not running"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL+"/readyz", nil)
	if err != nil {
		return err.Error()
	}
	resp, err := probeClient.Do(req)
	if err != nil {
		return r.Name + " does not respond"
	}
	defer resp.Body.Close()
	var body struct {
		Dependencies map[string]struct {
			Status string `json:"status"`
			Error  string `json:"error"`
		} `json:"dependencies"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || len(body.Dependencies) == 0 {
		return fmt.Sprintf("%s: /readyz: status %d with an unexpected body", r.Name, resp.StatusCode)
	}
	var down []string
	for name, d := range body.Dependencies {
		if d.Status != "up" {
			down = append(down, name+" "+d.Status+" "+d.Error)
		}
	}
	if resp.StatusCode != http.StatusOK || len(down) > 0 {
		return fmt.Sprintf("%s is not ready: %d %s", r.Name, resp.StatusCode, strings.Join(down, ", "))
	}
	return ""
}

// settings returns the environment of a replica: the settings of the servers with the
// addresses of its links, its own addresses, and extra.
func (r *Replica) settings(servers map[string]string, extra map[string]string) []string {
	all := map[string]string{}
	for name, value := range servers {
		all[name] = value
	}
	split := func(server Server) (string, string) {
		host, port, _ := net.SplitHostPort(r.Links[server].Addr())
		return host, port
	}
	if r.Links != nil {
		all["DB_HOST"], all["DB_PORT"] = split(Postgres)
		all["REDIS_HOST"], all["REDIS_PORT"] = split(Redis)
		all["REDIS_URL"] = withHost(servers["REDIS_URL"], r.Links[Redis].Addr())
		all["RABBITMQ_URL"] = withHost(servers["RABBITMQ_URL"], r.Links[RabbitMQ].Addr())
		all["S3_ENDPOINT"] = withHost(servers["S3_ENDPOINT"], r.Links[MinIO].Addr())
	}
	all["HTTP_ADDR"], all["ADMIN_ADDR"] = r.addr, r.admin
	for name, value := range extra {
		all[name] = value
	}
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	for name, value := range all {
		env = append(env, name+"="+value)
	}
	return env
}

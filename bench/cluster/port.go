package cluster

import (
	"errors"
	"net"
	"strconv"
	"sync"
)

// The ports are below the range that the kernel uses for outgoing connections: while a
// replica is down, nothing else may get its port by chance.
const (
	firstPort = 20000
	lastPort  = 32000
)

var (
	portMutex sync.Mutex
	nextPort  = firstPort
)

// freeAddr returns a loopback address with a port that is free now. No two calls return
// the same port.
func freeAddr() (string, error) {
	portMutex.Lock()
	defer portMutex.Unlock()
	for nextPort < lastPort {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(nextPort))
		nextPort++
		if l, err := net.Listen("tcp", addr); err == nil {
			return addr, l.Close()
		}
	}
	return "", errors.New("no free port on loopback")
}

package cluster

import (
	"errors"
	"net"
	"strconv"
	"sync"
)

// These ports are below the kernel's range for outgoing connections, so that no other
// process gets the port of a replica while it is down.
const (
	firstPort = 20000
	lastPort  = 32000
)

var (
	portMutex sync.Mutex
	nextPort  = firstPort
)

// freeAddr returns a loopback address that is free. It never returns the same one twice.
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

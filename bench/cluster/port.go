package cluster

import (
	"errors"
	"net"
	"strconv"
	"sync"
)

// Ports of ours are below the range from which the kernel takes those of outgoing
// connections: while a replica is down nobody may get its port by chance.
const (
	firstPort = 20000
	lastPort  = 32000
)

var (
	portMutex sync.Mutex
	nextPort  = firstPort
)

// freeAddr returns an address of loopback that nobody listens on now. No two calls
// give the same.
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

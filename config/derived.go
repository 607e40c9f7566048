package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// off is the value that switches a setting off.
const off = "off"

// ServesAdmin reports whether ADMIN_ADDR is to be served.
func (c Config) ServesAdmin() bool { return c.AdminAddr != off }

// WebP returns the sizes that are also made as WebP.
func (c Config) WebP() []string {
	if slices.Equal(c.WebPSizes, []string{off}) {
		return nil
	}
	return c.WebPSizes
}

// Reprocessing is how many ready images a process reprocesses at once.
const Reprocessing = 1

// Handlers returns how many messages of the queue are handled at once. Reprocessing has
// handlers of its own, so that the first processing of images never waits for it.
func (c Config) Handlers() int {
	if c.Workers == 0 {
		return 0
	}
	return c.Workers + Reprocessing
}

// AllowedPorts returns FETCH_ALLOW_PORTS as plain numbers.
func (c Config) AllowedPorts() []int {
	ports := make([]int, len(c.FetchAllowPorts))
	for i, p := range c.FetchAllowPorts {
		ports[i] = int(p)
	}
	return ports
}

// derive sets the settings that follow from others.
func (c *Config) derive() {
	if host, port, _ := net.SplitHostPort(c.HTTPAddr); host == "" && !c.mayListenAnywhere() {
		c.HTTPAddr = net.JoinHostPort("127.0.0.1", port)
	}
	if c.DatabaseURL == "" {
		u := url.URL{
			Scheme: "postgres", User: url.UserPassword(c.DBUser, c.DBPass),
			Host: net.JoinHostPort(c.DBHost, fmt.Sprint(c.DBPort)), Path: "/" + c.DBName,
			RawQuery: url.Values{"sslmode": {c.DBSSLMode}}.Encode(),
		}
		if c.DBPass == "" {
			u.User = url.User(c.DBUser)
		}
		c.DatabaseURL = u.String()
	}
	if c.RedisURL == "" {
		c.RedisURL = "redis://" + net.JoinHostPort(c.RedisHost, fmt.Sprint(c.RedisPort))
	}
	if len(c.RabbitMQURLs) == 0 {
		c.RabbitMQURLs = []string{c.RabbitMQURL}
	}
	if c.S3PublicURL == "" {
		c.S3PublicURL = c.bucketURL()
	}
	if c.S3UploadURL == "" {
		c.S3UploadURL = c.bucketURL()
	}
	if c.FetchPerHost == 0 { // so that a slow host leaves workers for the others
		c.FetchPerHost = max(1, min(c.Workers-(c.Workers+3)/4, 8))
	}
	c.S3PublicURL = strings.TrimRight(c.S3PublicURL, "/")
	c.S3UploadURL = strings.TrimRight(c.S3UploadURL, "/")
}

// Installation returns 12 characters that identify the database and so the installation.
// They are the same for all its replicas. They go into names on servers that other
// installations may share.
func (c *Config) Installation() string {
	u, err := url.Parse(c.DatabaseURL)
	if err != nil { // cannot happen: check has parsed it
		return ""
	}
	sum := sha256.Sum256([]byte(u.Host + u.Path + "?" + u.Query().Get("search_path")))
	return hex.EncodeToString(sum[:6])
}

// bucketURL returns the bucket's URL at its server.
func (c *Config) bucketURL() string {
	switch {
	case c.S3Endpoint != "":
		return strings.TrimRight(c.S3Endpoint, "/") + "/" + c.S3Bucket
	case strings.Contains(c.S3Bucket, "."): // the certificate of AWS does not cover it as a host
		return fmt.Sprintf("https://s3.%s.amazonaws.com/%s", c.AWSRegion, c.S3Bucket)
	}
	return fmt.Sprintf("https://%s.s3.%s.amazonaws.com", c.S3Bucket, c.AWSRegion)
}

package testenv

import (
	"os"
	"testing"
)

// Setting returns an environment variable that names a local server or its
// credentials. The test fails if the variable is not set.
func Setting(t testing.TB, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set: start the servers with `make up` and run the tests with `make test`", name)
	}
	return value
}

// RedisURL returns the URL of the Redis server.
func RedisURL(t testing.TB) string {
	t.Helper()
	return Setting(t, "REDIS_URL")
}

// RabbitMQURL returns the URL of the RabbitMQ server.
func RabbitMQURL(t testing.TB) string {
	t.Helper()
	return Setting(t, "RABBITMQ_URL")
}

// S3 is the address of the S3 server and the credentials for it.
type S3 struct {
	Endpoint  string // http:// or https:// URL
	Region    string // may be empty
	AccessKey string
	SecretKey string
}

// S3Server returns the settings of the S3 server.
func S3Server(t testing.TB) S3 {
	t.Helper()
	return S3{
		Endpoint:  Setting(t, "S3_ENDPOINT"),
		Region:    os.Getenv("AWS_REGION"),
		AccessKey: Setting(t, "AWS_ACCESS_KEY"),
		SecretKey: Setting(t, "AWS_SECRET_KEY"),
	}
}

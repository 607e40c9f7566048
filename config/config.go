// Package config reads the process's settings from the environment and an
// optional .env file, and reports every bad one at once, by its name.
package config

import (
	"net/netip"
	"time"
)

// Config holds every setting. A field's env tag is its variable, envDefault what
// holds when the variable is unset or empty, help the line in the README's table;
// a field tagged secret can also be given as a file named by NAME_FILE, and is
// masked wherever settings are shown.
type Config struct {
	DatabaseURL string `env:"DATABASE_URL" secret:"true" help:"PostgreSQL as a URL; wins over the DB_ parts"`
	DBHost      string `env:"DB_HOST" envDefault:"localhost" help:"PostgreSQL host"`
	DBPort      Port   `env:"DB_PORT" envDefault:"5432" help:"PostgreSQL port"`
	DBUser      string `env:"DB_USER" envDefault:"postgres" help:"PostgreSQL user"`
	DBPass      string `env:"DB_PASS" secret:"true" help:"PostgreSQL password"`
	DBName      string `env:"DB_NAME" envDefault:"vitrine" help:"PostgreSQL database"`
	DBSSLMode   string `env:"DB_SSLMODE" envDefault:"prefer" help:"disable, allow, prefer, require, verify-ca or verify-full"`
	DBMaxConns  int    `env:"DB_MAX_CONNS" envDefault:"20" help:"most PostgreSQL connections of this process, 2 to 500"`

	RedisURL  string `env:"REDIS_URL" secret:"true" help:"Redis as redis:// or rediss:// URL; wins over the REDIS_ parts"`
	RedisHost string `env:"REDIS_HOST" envDefault:"localhost" help:"Redis host"`
	RedisPort Port   `env:"REDIS_PORT" envDefault:"6379" help:"Redis port"`

	RabbitMQURL  string   `env:"RABBITMQ_URL" envDefault:"amqp://guest:guest@localhost:5672/" secret:"true" help:"RabbitMQ as amqp:// or amqps:// URL"`
	RabbitMQURLs []string `env:"RABBITMQ_URLS" secret:"true" help:"a cluster's nodes as URLs, comma-separated, tried in turn; wins over RABBITMQ_URL"`
	QueuePrefix  string   `env:"QUEUE_PREFIX" envDefault:"vitrine." help:"prefix of all queue and exchange names, so that installations can share a broker"`

	S3Endpoint     string `env:"S3_ENDPOINT" help:"S3 server as http:// or https:// URL; empty means AWS"`
	S3Bucket       string `env:"S3_BUCKET_NAME" envDefault:"vitrine" help:"bucket of the pictures"`
	S3PublicURL    string `env:"S3_PUBLIC_URL" help:"URL under which clients read the bucket; by default the endpoint and the bucket"`
	S3UploadURL    string `env:"S3_UPLOAD_URL" help:"URL of the bucket that clients post files to directly; by default the endpoint and the bucket"`
	S3ManageBucket bool   `env:"S3_MANAGE_BUCKET" envDefault:"true" help:"create the bucket and let everybody read products/ in it; false where somebody else sees to that"`
	S3Sweep        bool   `env:"S3_SWEEP" envDefault:"true" help:"delete objects that nothing in the database has, after a day; false where installations share a bucket"`
	AWSRegion      string `env:"AWS_REGION" envDefault:"us-east-1" help:"region of the bucket"`
	AWSAccessKey   string `env:"AWS_ACCESS_KEY" secret:"true" help:"S3 access key"`
	AWSSecretKey   string `env:"AWS_SECRET_KEY" secret:"true" help:"S3 secret key"`

	HTTPAddr   string        `env:"HTTP_ADDR" envDefault:":8080" help:"address of the API; on loopback alone while it is open to everybody (see ADMIN_TOKEN)"`
	AdminAddr  string        `env:"ADMIN_ADDR" envDefault:"127.0.0.1:9090" help:"address of /metrics and /debug/pprof; off disables it"`
	AdminToken string        `env:"ADMIN_TOKEN" secret:"true" help:"bearer token of the administrator, 16 characters at least; empty leaves the API open to everybody"`
	AllowOpen  bool          `env:"ALLOW_OPEN" envDefault:"false" help:"without ADMIN_TOKEN, listen beyond loopback all the same"`
	DrainDelay time.Duration `env:"DRAIN_DELAY" envDefault:"1s" help:"time between turning unready and closing the listener on SIGTERM, for the load balancer to notice, 0s to 5s"`
	LogLevel   string        `env:"LOG_LEVEL" envDefault:"info" help:"error, warn, info or debug"`

	RateLimit        int            `env:"RATE_LIMIT" envDefault:"1200" help:"requests a minute for each API key, up to 1000000; 0 is no limit"`
	RateLimitAddress int            `env:"RATE_LIMIT_ADDRESS" envDefault:"2400" help:"requests a minute for each client address, up to 1000000; 0 is no limit"`
	TrustedProxies   []netip.Prefix `env:"TRUSTED_PROXIES" help:"networks of the proxies in front, comma-separated: they alone may name a client's address"`
	ProxyHeader      string         `env:"TRUSTED_PROXY_HEADER" envDefault:"X-Forwarded-For" help:"the header in which they name the client: X-Forwarded-For or Forwarded"`
	MaxRequests      int            `env:"MAX_REQUESTS" envDefault:"1000" help:"requests at once in this process, 4 to 100000; the others get a 503"`
	EventStreams     int            `env:"EVENT_STREAMS" envDefault:"1000" help:"event streams (GET /events) that this process serves at once, 1 to 100000"`

	Workers     int   `env:"WORKERS" envDefault:"4" help:"image jobs at once, 0 to 256; 0 serves the API alone"`
	MaxAttempts int   `env:"IMAGE_MAX_ATTEMPTS" envDefault:"5" help:"tries of an image before it ends as failed, 1 to 20"`
	OwnerJobs   int   `env:"IMAGE_OWNER_INFLIGHT" envDefault:"100" help:"most pictures of one owner in the queue or at work, 1 to 100000; see How it works"`
	MemBudget   Bytes `env:"IMAGE_MEMORY_BUDGET" envDefault:"256MiB" help:"memory that all pictures at work may take together, 32MiB at least; by default half of a small container"`
	MaxPixels   int   `env:"IMAGE_MAX_PIXELS" envDefault:"40000000" help:"most pixels of a source picture"`
	MaxSide     int   `env:"IMAGE_MAX_SIDE" envDefault:"12000" help:"most pixels of a source picture's longer side, 1 to 65535"`

	WebPSizes []string `env:"WEBP_SIZES" envDefault:"main,large" help:"sizes that ready images get as WebP too: of main, large and small, comma-separated; off for none"`

	Likeness        float64        `env:"IMAGE_QUALITY" envDefault:"0.965" help:"likeness (SSIM) of a JPEG to the resized picture, 0.8 to 0.999; its quality, 70 to 90, follows from it"`
	DecodeTimeout   time.Duration  `env:"IMAGE_DECODE_TIMEOUT" envDefault:"5s" help:"longest decoding of one picture"`
	FetchTimeout    time.Duration  `env:"FETCH_TIMEOUT" envDefault:"15s" help:"longest download of one picture, from the look-up of its host to the last byte"`
	FetchMaxBytes   Bytes          `env:"FETCH_MAX_BYTES" envDefault:"20MiB" help:"largest source picture, a quarter of IMAGE_MEMORY_BUDGET at most"`
	FetchAllowCIDRs []netip.Prefix `env:"FETCH_ALLOW_CIDRS" help:"networks beyond the public internet that pictures may come from, comma-separated"`
	FetchAllowPorts []Port         `env:"FETCH_ALLOW_PORTS" help:"ports beyond 80 and 443 that pictures may come from, comma-separated"`
	FetchCAs        Authorities    `env:"FETCH_CA_FILE" help:"file of certificate authorities (PEM) trusted for pictures' sources, besides the system's"`
	FetchPerHost    int            `env:"FETCH_PER_HOST" envDefault:"0" help:"pictures downloaded from one host at once, up to 256; 0 is three quarters of WORKERS, 8 at most"`
}

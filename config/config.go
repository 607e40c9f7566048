// Package config reads the settings of the process from the environment and an
// optional .env file. It reports all bad settings at once, by name.
package config

import (
	"net/netip"
	"time"
)

// Config holds every setting. The tag env names a field's variable, envDefault is its
// value if the variable is unset or empty, and help is its line in
// docs/configuration.md. A field tagged secret can also be given as a file named by
// NAME_FILE, and is masked wherever settings are printed.
type Config struct {
	DatabaseURL string `env:"DATABASE_URL" secret:"true" help:"PostgreSQL as a URL; overrides the DB_ parts"`
	DBHost      string `env:"DB_HOST" envDefault:"localhost" help:"PostgreSQL host"`
	DBPort      Port   `env:"DB_PORT" envDefault:"5432" help:"PostgreSQL port"`
	DBUser      string `env:"DB_USER" envDefault:"postgres" help:"PostgreSQL user"`
	DBPass      string `env:"DB_PASS" secret:"true" help:"PostgreSQL password"`
	DBName      string `env:"DB_NAME" envDefault:"vitrine" help:"PostgreSQL database"`
	DBSSLMode   string `env:"DB_SSLMODE" envDefault:"prefer" help:"disable, allow, prefer, require, verify-ca or verify-full"`
	DBMaxConns  int    `env:"DB_MAX_CONNS" envDefault:"20" help:"maximum PostgreSQL connections of this process, 2 to 500"`

	RedisURL  string `env:"REDIS_URL" secret:"true" help:"Redis as a redis:// or rediss:// URL; overrides the REDIS_ parts"`
	RedisHost string `env:"REDIS_HOST" envDefault:"localhost" help:"Redis host"`
	RedisPort Port   `env:"REDIS_PORT" envDefault:"6379" help:"Redis port"`

	RabbitMQURL  string   `env:"RABBITMQ_URL" envDefault:"amqp://guest:guest@localhost:5672/" secret:"true" help:"RabbitMQ as an amqp:// or amqps:// URL"`
	RabbitMQURLs []string `env:"RABBITMQ_URLS" secret:"true" help:"URLs of the nodes of a cluster, comma-separated, tried in turn; overrides RABBITMQ_URL"`
	QueuePrefix  string   `env:"QUEUE_PREFIX" envDefault:"vitrine." help:"prefix of all queue and exchange names; installations that share a broker need different ones"`

	S3Endpoint     string `env:"S3_ENDPOINT" help:"S3 server as an http:// or https:// URL; empty for AWS"`
	S3Bucket       string `env:"S3_BUCKET_NAME" envDefault:"vitrine" help:"bucket of the images"`
	S3PublicURL    string `env:"S3_PUBLIC_URL" help:"URL at which clients read the bucket; by default the endpoint and the bucket"`
	S3UploadURL    string `env:"S3_UPLOAD_URL" help:"URL at which clients post uploads to the bucket; by default the endpoint and the bucket"`
	S3ManageBucket bool   `env:"S3_MANAGE_BUCKET" envDefault:"true" help:"create the bucket and let everybody read products/ in it; false if that is done elsewhere"`
	S3Sweep        bool   `env:"S3_SWEEP" envDefault:"true" help:"delete objects that the database does not refer to, after a day; false if installations share the bucket"`
	AWSRegion      string `env:"AWS_REGION" envDefault:"us-east-1" help:"region of the bucket"`
	AWSAccessKey   string `env:"AWS_ACCESS_KEY" secret:"true" help:"S3 access key"`
	AWSSecretKey   string `env:"AWS_SECRET_KEY" secret:"true" help:"S3 secret key"`

	HTTPAddr   string        `env:"HTTP_ADDR" envDefault:":8080" help:"address of the API; on loopback only while the API is open (see ADMIN_TOKEN)"`
	AdminAddr  string        `env:"ADMIN_ADDR" envDefault:"127.0.0.1:9090" help:"address of /metrics and /debug/pprof; off disables it"`
	AdminToken string        `env:"ADMIN_TOKEN" secret:"true" help:"bearer token of the administrator, at least 16 characters; if empty, the API is open to everybody"`
	AllowOpen  bool          `env:"ALLOW_OPEN" envDefault:"false" help:"listen beyond loopback even without ADMIN_TOKEN"`
	DrainDelay time.Duration `env:"DRAIN_DELAY" envDefault:"1s" help:"time between becoming unready and closing the listener on SIGTERM, for the load balancer to notice, 0s to 5s"`
	LogLevel   string        `env:"LOG_LEVEL" envDefault:"info" help:"error, warn, info or debug"`

	RateLimit        int            `env:"RATE_LIMIT" envDefault:"1200" help:"requests per minute of one API key, up to 1000000; 0 for no limit"`
	RateLimitAddress int            `env:"RATE_LIMIT_ADDRESS" envDefault:"2400" help:"requests per minute of one client address, up to 1000000; 0 for no limit"`
	TrustedProxies   []netip.Prefix `env:"TRUSTED_PROXIES" help:"networks of the reverse proxies, comma-separated; only these may name a client's address"`
	ProxyHeader      string         `env:"TRUSTED_PROXY_HEADER" envDefault:"X-Forwarded-For" help:"header in which the proxies name the client: X-Forwarded-For or Forwarded"`
	MaxRequests      int            `env:"MAX_REQUESTS" envDefault:"1000" help:"requests in progress in this process, 4 to 100000; further ones get a 503"`
	EventStreams     int            `env:"EVENT_STREAMS" envDefault:"1000" help:"event streams (GET /events) open in this process, 1 to 100000"`

	Workers     int   `env:"WORKERS" envDefault:"4" help:"image jobs in progress in this process, 0 to 256; 0 serves only the API"`
	MaxAttempts int   `env:"IMAGE_MAX_ATTEMPTS" envDefault:"5" help:"attempts at an image before it fails, 1 to 20"`
	OwnerJobs   int   `env:"IMAGE_OWNER_INFLIGHT" envDefault:"100" help:"maximum jobs of one owner in the queue or in progress, 1 to 100000"`
	MemBudget   Bytes `env:"IMAGE_MEMORY_BUDGET" envDefault:"256MiB" help:"memory of all images in progress together, at least 32MiB; by default half of a container below 512MiB"`
	MaxPixels   int   `env:"IMAGE_MAX_PIXELS" envDefault:"40000000" help:"maximum pixels of a source image"`
	MaxSide     int   `env:"IMAGE_MAX_SIDE" envDefault:"12000" help:"maximum pixels of a source image's longer side, 1 to 65535"`

	WebPSizes []string `env:"WEBP_SIZES" envDefault:"main,large" help:"sizes that a ready image gets as WebP too: of main, large and small, comma-separated; off for none"`

	Likeness        float64        `env:"IMAGE_QUALITY" envDefault:"0.965" help:"SSIM target of a JPEG, compared with the resized image, 0.8 to 0.999; it decides the quality, 70 to 90"`
	DecodeTimeout   time.Duration  `env:"IMAGE_DECODE_TIMEOUT" envDefault:"5s" help:"maximum CPU time of decoding one image"`
	FetchTimeout    time.Duration  `env:"FETCH_TIMEOUT" envDefault:"15s" help:"maximum time of one download, from the host lookup to the last byte"`
	FetchMaxBytes   Bytes          `env:"FETCH_MAX_BYTES" envDefault:"20MiB" help:"maximum size of a source image, at most a quarter of IMAGE_MEMORY_BUDGET"`
	FetchAllowCIDRs []netip.Prefix `env:"FETCH_ALLOW_CIDRS" help:"networks besides the public internet that images may come from, comma-separated"`
	FetchAllowPorts []Port         `env:"FETCH_ALLOW_PORTS" help:"ports besides 80 and 443 that images may come from, comma-separated"`
	FetchCAs        Authorities    `env:"FETCH_CA_FILE" help:"file of certificate authorities (PEM) trusted for image sources, besides those of the system"`
	FetchPerHost    int            `env:"FETCH_PER_HOST" envDefault:"0" help:"simultaneous downloads from one host, up to 256; 0 for three quarters of WORKERS, at most 8"`
}

package config

import (
	"net/netip"
	"time"
)

// Config holds every setting. A field's env tag names its variable, envDefault is the
// value if the variable is unset or empty, and help is its description in the table of
// settings. A field tagged secret can also be read from a file that NAME_FILE names, and
// is masked wherever settings are shown.
type Config struct {
	DatabaseURL string `env:"DATABASE_URL" secret:"true" help:"PostgreSQL URL; takes precedence over the DB_ variables"`
	DBHost      string `env:"DB_HOST" envDefault:"localhost" help:"PostgreSQL host"`
	DBPort      Port   `env:"DB_PORT" envDefault:"5432" help:"PostgreSQL port"`
	DBUser      string `env:"DB_USER" envDefault:"postgres" help:"PostgreSQL user"`
	DBPass      string `env:"DB_PASS" secret:"true" help:"PostgreSQL password"`
	DBName      string `env:"DB_NAME" envDefault:"vitrine" help:"PostgreSQL database"`
	DBSSLMode   string `env:"DB_SSLMODE" envDefault:"prefer" help:"disable, allow, prefer, require, verify-ca or verify-full"`
	DBMaxConns  int    `env:"DB_MAX_CONNS" envDefault:"20" help:"maximum number of PostgreSQL connections of this process, 2 to 500"`

	RedisURL  string `env:"REDIS_URL" secret:"true" help:"Redis URL, redis:// or rediss://; takes precedence over REDIS_HOST and REDIS_PORT"`
	RedisHost string `env:"REDIS_HOST" envDefault:"localhost" help:"Redis host"`
	RedisPort Port   `env:"REDIS_PORT" envDefault:"6379" help:"Redis port"`

	RabbitMQURL  string   `env:"RABBITMQ_URL" envDefault:"amqp://guest:guest@localhost:5672/" secret:"true" help:"RabbitMQ URL, amqp:// or amqps://"`
	RabbitMQURLs []string `env:"RABBITMQ_URLS" secret:"true" help:"URLs of a cluster's nodes, comma-separated, tried in order; takes precedence over RABBITMQ_URL"`
	QueuePrefix  string   `env:"QUEUE_PREFIX" envDefault:"vitrine." help:"prefix of all queue and exchange names, so that installations can share a broker"`

	S3Endpoint     string `env:"S3_ENDPOINT" help:"S3 server URL, http:// or https://; empty means AWS"`
	S3Bucket       string `env:"S3_BUCKET_NAME" envDefault:"vitrine" help:"bucket for images"`
	S3PublicURL    string `env:"S3_PUBLIC_URL" help:"URL under which clients read the bucket; default: the bucket at the endpoint"`
	S3UploadURL    string `env:"S3_UPLOAD_URL" help:"URL of the bucket to which clients upload files directly; default: the bucket at the endpoint"`
	S3ManageBucket bool   `env:"S3_MANAGE_BUCKET" envDefault:"true" help:"create the bucket and make products/ in it public; set false if you manage the bucket yourself"`
	S3Sweep        bool   `env:"S3_SWEEP" envDefault:"true" help:"delete objects older than a day that the database does not reference; set false if installations share a bucket"`
	AWSRegion      string `env:"AWS_REGION" envDefault:"us-east-1" help:"region of the bucket"`
	AWSAccessKey   string `env:"AWS_ACCESS_KEY" secret:"true" help:"S3 access key"`
	AWSSecretKey   string `env:"AWS_SECRET_KEY" secret:"true" help:"S3 secret key"`

	HTTPAddr   string        `env:"HTTP_ADDR" envDefault:":8080" help:"address of the API; loopback only while ADMIN_TOKEN is empty"`
	AdminAddr  string        `env:"ADMIN_ADDR" envDefault:"127.0.0.1:9090" help:"address of /metrics and /debug/pprof; off disables both"`
	AdminToken string        `env:"ADMIN_TOKEN" secret:"true" help:"administrator's bearer token, at least 16 characters; empty means that the API has no authentication"`
	AllowOpen  bool          `env:"ALLOW_OPEN" envDefault:"false" help:"listen beyond loopback even without ADMIN_TOKEN"`
	DrainDelay time.Duration `env:"DRAIN_DELAY" envDefault:"1s" help:"time on SIGTERM between reporting not ready and closing the listener, which lets load balancers notice, 0s to 5s"`
	LogLevel   string        `env:"LOG_LEVEL" envDefault:"info" help:"error, warn, info or debug"`

	RateLimit        int            `env:"RATE_LIMIT" envDefault:"1200" help:"requests per minute and API key, up to 1000000; 0 means no limit"`
	RateLimitAddress int            `env:"RATE_LIMIT_ADDRESS" envDefault:"2400" help:"requests per minute and client address, up to 1000000; 0 means no limit"`
	TrustedProxies   []netip.Prefix `env:"TRUSTED_PROXIES" help:"networks of trusted reverse proxies, comma-separated; only they may pass on a client's address"`
	ProxyHeader      string         `env:"TRUSTED_PROXY_HEADER" envDefault:"X-Forwarded-For" help:"header in which trusted proxies pass the client's address: X-Forwarded-For or Forwarded"`
	MaxRequests      int            `env:"MAX_REQUESTS" envDefault:"1000" help:"maximum number of concurrent requests in this process, 4 to 100000; further requests get a 503"`
	EventStreams     int            `env:"EVENT_STREAMS" envDefault:"1000" help:"maximum number of concurrent event streams (GET /events) in this process, 1 to 100000"`

	Workers     int   `env:"WORKERS" envDefault:"4" help:"concurrent image jobs, 0 to 256; 0 means that this process serves only the API"`
	MaxAttempts int   `env:"IMAGE_MAX_ATTEMPTS" envDefault:"5" help:"attempts to process an image before it fails, 1 to 20"`
	OwnerJobs   int   `env:"IMAGE_OWNER_INFLIGHT" envDefault:"100" help:"maximum number of one owner's images queued or in progress, 1 to 100000"`
	MemBudget   Bytes `env:"IMAGE_MEMORY_BUDGET" envDefault:"256MiB" help:"memory for all images in progress together, at least 32MiB; the default is lowered to half of a smaller container's memory"`
	MaxPixels   int   `env:"IMAGE_MAX_PIXELS" envDefault:"40000000" help:"maximum number of pixels of a source image"`
	MaxSide     int   `env:"IMAGE_MAX_SIDE" envDefault:"12000" help:"maximum length in pixels of a source image's longer side, 1 to 65535"`

	WebPSizes []string `env:"WEBP_SIZES" envDefault:"main,large" help:"sizes to make as WebP as well once an image is ready: any of main, large and small, comma-separated; off for none"`

	SSIMTarget      float64        `env:"IMAGE_QUALITY" envDefault:"0.965" help:"SSIM target of JPEGs against the resized image, 0.8 to 0.999; the JPEG quality, 70 to 90, is chosen to reach it"`
	DecodeTimeout   time.Duration  `env:"IMAGE_DECODE_TIMEOUT" envDefault:"5s" help:"limit on the CPU time of decoding one image"`
	FetchTimeout    time.Duration  `env:"FETCH_TIMEOUT" envDefault:"15s" help:"time limit for downloading one image, from the DNS lookup to the last byte"`
	FetchMaxBytes   Bytes          `env:"FETCH_MAX_BYTES" envDefault:"20MiB" help:"maximum size of a source image, at most a quarter of IMAGE_MEMORY_BUDGET"`
	FetchAllowCIDRs []netip.Prefix `env:"FETCH_ALLOW_CIDRS" help:"networks outside the public internet from which images may be fetched, comma-separated"`
	FetchAllowPorts []Port         `env:"FETCH_ALLOW_PORTS" help:"ports other than 80 and 443 from which images may be fetched, comma-separated"`
	FetchCAs        Authorities    `env:"FETCH_CA_FILE" help:"file of certificate authorities (PEM) to trust for image sources, in addition to the system's"`
	FetchPerHost    int            `env:"FETCH_PER_HOST" envDefault:"0" help:"concurrent downloads from one host, up to 256; 0 means three quarters of WORKERS, at most 8"`
}

package admission

// What the tests see of the limiter and the server.
type (
	Limiter       = limiter
	LimiterConfig = limiterConfig
	Use           = use
)

var (
	NewLimiter   = newLimiter
	NewServerFor = newServer
)

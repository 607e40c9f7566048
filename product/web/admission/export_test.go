package admission

// Internals that the tests use.
type (
	Limiter       = limiter
	LimiterConfig = limiterConfig
	Use           = use
)

var (
	NewLimiter   = newLimiter
	NewServerFor = newServer
)

package product

import "context"

// VerifyKey gives what an API key allows, or [ErrInvalidKey].
func (s *Service) VerifyKey(ctx context.Context, key string) (Grant, error) {
	return Grant{}, ErrInvalidKey
}

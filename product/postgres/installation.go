package postgres

import "context"

// installationID returns the id of this database, which tells installations apart that share
// a cache. It is read once.
func (s *DB) InstallationID(ctx context.Context) (string, error) {
	if id := s.installation.Load(); id != nil {
		return *id, nil
	}
	var id string
	err := s.Get(ctx, "read installation", &id, `SELECT id FROM installation`)
	if err != nil {
		return "", err
	}
	s.installation.Store(&id)
	return id, nil
}

package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"vitrine/product"
)

// Translate turns an error of the driver into one of package product and prefixes it
// with doing. It keeps the identity of all other errors, and returns an error that is
// translated already as it is. Callers outside this package need it only for errors
// that did not pass through a method of [DB].
func Translate(ctx context.Context, doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case Translated(err):
		return err
	case errors.Is(ctx.Err(), context.Canceled):
		// The caller went away; the driver's own error does not matter.
		return fmt.Errorf("%s: %w", doing, context.Canceled)
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%s: %w", doing, product.ErrNotFound)
	case isUnavailable(ctx, err):
		return fmt.Errorf("%s: %w: %w", doing, product.ErrUnavailable, err)
	case pq.As(err, pqerror.UniqueViolation, pqerror.ExclusionViolation) != nil:
		return fmt.Errorf("%s: %w: %w", doing, product.ErrConflict, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// isUnavailable reports whether the same call may succeed later without any change:
// the server is unreachable, overloaded, restarting, full or too slow.
func isUnavailable(ctx context.Context, err error) bool {
	if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	if e := pq.As(err); e != nil {
		switch e.Code.Class() {
		case pqerror.ClassConnectionException, pqerror.ClassInsufficientResources, pqerror.ClassOperatorIntervention,
			pqerror.ClassInvalidAuthorizationSpecification: // an operator can fix it, a client cannot
			return true
		}
		switch e.Code {
		case pqerror.LockNotAvailable, pqerror.TRDeadlockDetected, pqerror.TRSerializationFailure,
			pqerror.ReadOnlySQLTransaction, pqerror.IdleInTransactionSessionTimeout,
			pqerror.InvalidCatalogName, pqerror.UndefinedTable: // not created yet
			return true
		}
		return false
	}
	var n net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, sql.ErrTxDone) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &n)
}

// Translated reports whether err is one of the errors that [Translate] returns for the
// driver's errors.
func Translated(err error) bool {
	return errors.Is(err, product.ErrNotFound) || errors.Is(err, product.ErrConflict) ||
		errors.Is(err, product.ErrUnavailable) || errors.Is(err, product.ErrOverloaded)
}

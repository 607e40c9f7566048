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

// translate turns the driver's errors into the package's own, once, where they
// leave the store. Errors that are none of the driver's are handed on.
func Translate(ctx context.Context, doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case Translated(err):
		return err
	case errors.Is(ctx.Err(), context.Canceled):
		// The caller went away; what the driver made of it does not matter.
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

// isUnavailable says whether the same call may succeed later without any change:
// the server is out of reach, overloaded, restarting, full or too slow.
func isUnavailable(ctx context.Context, err error) bool {
	if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	if e := pq.As(err); e != nil {
		switch e.Code.Class() {
		case pqerror.ClassConnectionException, pqerror.ClassInsufficientResources, pqerror.ClassOperatorIntervention,
			pqerror.ClassInvalidAuthorizationSpecification: // an operator has to mend it; no request can
			return true
		}
		switch e.Code {
		case pqerror.LockNotAvailable, pqerror.TRDeadlockDetected, pqerror.TRSerializationFailure,
			pqerror.ReadOnlySQLTransaction, pqerror.IdleInTransactionSessionTimeout,
			pqerror.InvalidCatalogName, pqerror.UndefinedTable: // not made yet
			return true
		}
		return false
	}
	var n net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, sql.ErrTxDone) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &n)
}

// translated reports whether err has its final meaning already.
func Translated(err error) bool {
	return errors.Is(err, product.ErrNotFound) || errors.Is(err, product.ErrConflict) || errors.Is(err, product.ErrUnavailable) || errors.Is(err, product.ErrOverloaded)
}

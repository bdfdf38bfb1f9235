package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Pooled reports whether something between here and the server shares connections out, so that no notification arrives:
// then only the reading of the feed by number tells of revocations.
func Pooled(ctx context.Context, address string) (bool, error) {
	config, err := parse(address)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	listener, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return false, explain(err)
	}
	defer listener.Close(context.WithoutCancel(ctx))
	const probe = "symbolon_doctor"
	if err := listener.PgConn().Exec(ctx, "LISTEN "+probe).Close(); err != nil {
		return false, explain(err)
	}
	speaker, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return false, explain(err)
	}
	defer speaker.Close(context.WithoutCancel(ctx))
	if err := speaker.PgConn().Exec(ctx, "NOTIFY "+probe).Close(); err != nil {
		return false, explain(err)
	}
	heard, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	_, err = listener.WaitForNotification(heard)
	switch {
	case err == nil:
		return false, nil
	case ctx.Err() == nil && errors.Is(heard.Err(), context.DeadlineExceeded):
		return true, nil
	}
	return false, fmt.Errorf("listening: %w", err)
}

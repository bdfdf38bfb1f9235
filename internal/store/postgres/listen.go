package postgres

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

// channel is what the trigger on the feed notifies.
const channel = "symbolon_feed"

// ear is a connection that hears of news in the feed. It is a hint only: behind a pooler it hears nothing, and a broken one
// is mended by and by, while the feed is read by number all the same.
type ear struct {
	news    chan struct{} // holds one hint
	stop    context.CancelFunc
	stopped chan struct{}
}

func listen(config *pgx.ConnConfig, log *slog.Logger) *ear {
	ctx, stop := context.WithCancel(context.Background())
	e := &ear{news: make(chan struct{}, 1), stop: stop, stopped: make(chan struct{})}
	go func() {
		defer close(e.stopped)
		for ctx.Err() == nil {
			if err := e.hear(ctx, config); err != nil && ctx.Err() == nil {
				log.Debug("listening for news failed; the feed is read all the same", "err", err)
				wait(ctx, time.Second)
			}
		}
	}()
	return e
}

// hear listens until the connection breaks. What happened while there was none counts as news.
func (e *ear) hear(ctx context.Context, config *pgx.ConnConfig) error {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	for {
		e.hint()
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
	}
}

func (e *ear) hint() {
	select {
	case e.news <- struct{}{}:
	default:
	}
}

func (e *ear) close() {
	if e == nil {
		return
	}
	e.stop()
	<-e.stopped
}

// wait returns after d or with ctx.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// Changed implements sqlstore.DB by what the ear hears; without one it cannot tell.
func (d *DB) Changed(ctx context.Context, most time.Duration, hint <-chan struct{}) (bool, error) {
	if d.ear == nil {
		return true, nil
	}
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-d.ear.news:
		return true, nil
	case <-hint:
		return true, nil
	case <-t.C:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

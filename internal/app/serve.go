package app

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"symbolon/internal/config"
	"symbolon/internal/httpio"
	"symbolon/internal/store/sqlstore"
	"symbolon/internal/token"
)

// grace is how long requests in flight may take after the signal to stop.
const grace = 15 * time.Second

// headroom counts as heap and is never touched, so that it takes no memory: a server's heap, a few MiB, may then grow by so
// much more before it is collected.
const headroom = 8 << 20

// Serve answers on ln until ctx ends, then finishes the requests in flight. It
// calls ready, if not nil, once requests are answered.
func (a *App) Serve(ctx context.Context, ln net.Listener, ready func(context.Context) error) error {
	spare := make([]byte, headroom)
	defer runtime.KeepAlive(spare)
	a.Store.ServeAs(sqlstore.Node{Name: nodeName(ln), Version: a.version, Fingerprint: a.Config.Fingerprint()})
	if err := a.Engine.Start(ctx); err != nil {
		return err
	}
	handler, err := a.Handler()
	if err != nil {
		return err
	}
	keeper, err := a.Engine.Keep(ctx, token.Retention{AuditKeep: time.Duration(a.Config.AuditKeep), AddressKeep: time.Duration(a.Config.AddressKeep)})
	if err != nil {
		return err
	}
	keeper.Tend(tendEvery(a.Config), a.tendKeys)
	var scraped net.Listener
	if a.Config.MetricsListen != "" {
		if scraped, err = net.Listen("tcp", a.Config.MetricsListen); err != nil {
			return fmt.Errorf("listening for metrics: %w; set another metrics_listen", err)
		}
		defer scraped.Close()
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { a.Engine.Follow(background) })
	wg.Go(func() { keeper.Run(background) })
	wg.Go(func() { a.watchNodes(background) })
	if scraped != nil {
		a.log.Info("metrics are served", "address", scraped.Addr().String())
		wg.Go(func() { a.metrics.keepCounting(background) })
		wg.Go(func() { a.serveMetrics(background, scraped) })
	}
	defer wg.Wait()
	defer stop()
	server := httpio.Server(ln.Addr().String(), handler)
	server.RegisterOnShutdown(sync.OnceFunc(func() { close(a.stopping) }))
	server.ErrorLog = slog.NewLogLogger(a.log.Handler(), slog.LevelDebug)
	return a.answer(ctx, ln, server, ready)
}

// tendEvery is how often the keys are looked after: a small part of the time in which anything is due.
func tendEvery(c *config.Config) time.Duration {
	return max(50*time.Millisecond, min(5*time.Second, keyLead(c)/10))
}

// answer runs the HTTP server until ctx ends or it fails.
func (a *App) answer(ctx context.Context, ln net.Listener, server *http.Server, ready func(context.Context) error) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(ln) }()
	if ready != nil {
		if err := ready(ctx); err != nil {
			server.Close()
			<-failed // which may not have begun; it closes the port in any case
			return err
		}
	}
	go shrink()
	select {
	case err := <-failed:
		return fmt.Errorf("serving on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	a.log.Info("stopping: finishing the requests in flight")
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := server.Shutdown(end); err != nil {
		server.Close()
		return fmt.Errorf("finishing requests in flight within %s: %w", grace, err)
	}
	return nil
}

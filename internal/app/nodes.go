package app

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"symbolon/internal/store/sqlstore"
)

// nodeNews is what was last seen of the servers on the store.
type nodeNews struct {
	own    sqlstore.Node
	differ []string // names of those that live and have another configuration
	live   int
}

// nodeName is one server's at a time: nobody else listens there.
func nodeName(ln net.Listener) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return host + " " + ln.Addr().String()
}

// watchNodes looks every few seconds at who else is on the store, and says what changed.
func (a *App) watchNodes(ctx context.Context) {
	if !a.Store.Shared() {
		return
	}
	tick := time.NewTicker(3 * time.Second)
	defer tick.Stop()
	for {
		all, err := a.Store.Nodes(ctx)
		if err == nil {
			a.noteNodes(all)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (a *App) noteNodes(all []sqlstore.Node) {
	before := a.nodes.Load()
	if before == nil {
		before = new(nodeNews)
	}
	now := new(nodeNews)
	for _, n := range all {
		switch {
		case n.Run == a.Store.Run():
			now.own = n
		case !n.Live():
			continue
		case n.Fingerprint != a.Config.Fingerprint():
			now.differ = append(now.differ, n.Name)
		}
		now.live++
	}
	a.nodes.Store(now)
	if len(now.differ) > 0 && !slices.Equal(now.differ, before.differ) {
		a.log.Warn("servers on this database have another configuration: give all the same", "servers", now.differ)
	}
	if now.own.Skewed() && !before.own.Skewed() {
		a.log.Error("this server's clock differs from the database's; it is not ready and purges nothing: set the clocks",
			"by", now.own.ClockOffset.Round(time.Second).String())
	}
}

// nodeNotes are lines for readyz, and whether one of them is a reason not to be ready.
func (a *App) nodeNotes() (notes []string, bad bool) {
	now := a.nodes.Load()
	if now == nil {
		return nil, false
	}
	if bad = now.own.Skewed(); bad {
		notes = append(notes, fmt.Sprintf("this server's clock differs from the database's by %s: set the clocks", now.own.ClockOffset.Round(time.Second)))
	}
	for _, name := range now.differ {
		notes = append(notes, fmt.Sprintf("the server %s has another configuration: give all servers the same", name))
	}
	return notes, bad
}

package app

import (
	"context"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"symbolon/internal/httpio"
	"symbolon/internal/store/sqlstore"
	"symbolon/internal/token"
)

// Grants are counted in batches beside the scrapes, since that reads every row: each batch is followed by a rest as long as it took, and
// the whole by one ten times as long, and a minute at least.
const (
	countEvery = time.Minute
	countBatch = 5000
)

// liveHeap is what the last garbage collection left: what grows in it and does not shrink is a leak. The
// headroom is in it.
var liveHeap = collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(`^/gc/heap/live:bytes$`)}

// metrics is what Prometheus is told. No label names a person, a grant or an address.
type metrics struct {
	app      *App
	registry *prometheus.Registry
	verbs    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	replays  *prometheus.CounterVec
	meters   sync.Map // :: meterKey → meter

	counts atomic.Pointer[[]sqlstore.GrantCount] // of the last whole count; nil before the first
}

var (
	readyDesc    = desc("symbolon_ready", "1 while this server vouches for tokens, else 0.")
	lagDesc      = desc("symbolon_feed_lag_seconds", "Time since this server last knew all revocations.")
	positionDesc = desc("symbolon_feed_position", "Number of the last feed entry that this server knows.")
	bitsDesc     = desc("symbolon_revoked_bits", "Grants that this server knows to be revoked.")
	nodesDesc    = desc("symbolon_nodes", "Servers that live on the database.", "configuration")
	grantsDesc   = desc("symbolon_grants", "Grants in the database, counted beside the scrapes, once a minute or more seldom.", "kind", "state")
	endingDesc   = desc("symbolon_grants_ending", "Live grants that end within so many days.", "days")
	keyDesc      = desc("symbolon_key_age_seconds", "Age of the newest signing key in a state.", "service", "purpose", "state")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

func newMetrics(a *App) *metrics {
	m := &metrics{app: a, registry: prometheus.NewRegistry(),
		verbs: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "symbolon_verbs_total", Help: "What the engine was asked, by result."},
			[]string{"verb", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "symbolon_verb_seconds", Help: "How long a verb took.",
			Buckets: []float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5}}, []string{"verb"}),
		replays: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "symbolon_replays_total",
			Help: "Refresh tokens that were not the present one, by what they were."}, []string{"kind"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "symbolon_build_info", Help: "1, with the version.",
		ConstLabels: prometheus.Labels{"version": a.version}})
	build.Set(1)
	m.registry.MustRegister(m.verbs, m.seconds, m.replays, build, m,
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(liveHeap)), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, kind := range replayKinds {
		m.replays.WithLabelValues(kind) // a counter that is not there cannot be seen to rise
	}
	return m
}

// replayKinds are the outcomes told apart. :: outcome → kind
var replayKinds = map[token.Outcome]string{
	token.RotatedSame:  "lost_answer",
	token.RotateRaced:  "raced",
	token.RotateReused: "reuse",
	token.RotateAhead:  "ahead",
}

// Verb implements token.Observer.
func (m *metrics) Verb(name, result string, took time.Duration) {
	key := meterKey{name, result}
	found, ok := m.meters.Load(key)
	if !ok {
		found, _ = m.meters.LoadOrStore(key, meter{m.verbs.WithLabelValues(name, result), m.seconds.WithLabelValues(name)})
	}
	found.(meter).verbs.Inc()
	found.(meter).seconds.Observe(took.Seconds())
}

type meterKey struct{ verb, result string }

// meter is where one verb with one result is counted. Looking it up by its labels costs as much as checking a token.
type meter struct {
	verbs   prometheus.Counter
	seconds prometheus.Observer
}

// Replay implements token.Observer.
func (m *metrics) Replay(o token.Outcome) {
	if kind, ok := replayKinds[o]; ok {
		m.replays.WithLabelValues(kind).Inc()
	}
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{readyDesc, lagDesc, positionDesc, bitsDesc, nodesDesc, grantsDesc, endingDesc, keyDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	a, now := m.app, m.app.now()
	ready := 0.0
	if a.Engine.Fresh() == nil {
		ready = 1
	}
	gauge(readyDesc, ready)
	seq, confirmed := a.Engine.News()
	if !confirmed.IsZero() {
		gauge(lagDesc, now.Sub(confirmed).Seconds())
		gauge(positionDesc, float64(seq))
	}
	gauge(bitsDesc, float64(a.Engine.RevokedBits()))
	if n := a.nodes.Load(); n != nil {
		gauge(nodesDesc, float64(n.live-len(n.differ)), "same")
		gauge(nodesDesc, float64(len(n.differ)), "other")
	}
	m.collectKeys(gauge, now)
	m.collectGrants(gauge)
}

func (m *metrics) collectKeys(gauge func(*prometheus.Desc, float64, ...string), now time.Time) {
	youngest := map[[3]string]time.Duration{} // :: service, purpose, state → age
	for _, k := range m.app.Keys.List() {
		at := [3]string{k.Service, string(k.Purpose), k.State}
		if age, ok := youngest[at]; !ok || now.Sub(k.CreatedAt) < age {
			youngest[at] = now.Sub(k.CreatedAt)
		}
	}
	for at, age := range youngest {
		gauge(keyDesc, age.Seconds(), at[:]...)
	}
}

func (m *metrics) collectGrants(gauge func(*prometheus.Desc, float64, ...string)) {
	counts := m.counts.Load()
	if counts == nil {
		return
	}
	ending7, ending30 := 0, 0
	for _, c := range *counts {
		gauge(grantsDesc, float64(c.Count), c.Kind, c.State)
		ending7, ending30 = ending7+c.Ending7, ending30+c.Ending30
	}
	gauge(endingDesc, float64(ending7), "7")
	gauge(endingDesc, float64(ending30), "30")
}

// keepCounting counts the grants again and again until ctx ends.
func (m *metrics) keepCounting(ctx context.Context) {
	for {
		begin := time.Now()
		if err := m.count(ctx); err != nil && ctx.Err() == nil {
			m.app.log.Warn("counting for metrics failed", "err", err)
		}
		if !rest(ctx, max(countEvery, 10*time.Since(begin))) {
			return
		}
	}
}

// count counts all grants once. Those that are added meanwhile are in it or not.
func (m *metrics) count(ctx context.Context) error {
	sums := map[[2]string]sqlstore.GrantCount{} // :: kind, state → count
	for after := int64(0); ; {
		begin := time.Now()
		some, next, err := m.app.Store.CountGrants(ctx, m.app.now(), after, countBatch)
		if err != nil {
			return err
		}
		for _, c := range some {
			sum := sums[[2]string{c.Kind, c.State}]
			c.Count, c.Ending7, c.Ending30 = c.Count+sum.Count, c.Ending7+sum.Ending7, c.Ending30+sum.Ending30
			sums[[2]string{c.Kind, c.State}] = c
		}
		if next == 0 {
			counts := slices.Collect(maps.Values(sums))
			m.counts.Store(&counts)
			return nil
		}
		if after = next; !rest(ctx, time.Since(begin)) {
			return ctx.Err()
		}
	}
}

// rest waits, and reports whether ctx is still there.
func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// serveMetrics answers /metrics on an address of its own until ctx ends.
func (a *App) serveMetrics(ctx context.Context, ln net.Listener) {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.metrics.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 15 * time.Second}))
	server := httpio.Server(ln.Addr().String(), mux)
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(ln); err != nil && ctx.Err() == nil {
		a.log.Error("serving metrics failed", "err", err)
	}
}

package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"symbolon/internal/account"
	"symbolon/internal/config"
	"symbolon/internal/store/sqlstore"
	"symbolon/internal/token"
)

// gathered returns what Prometheus would be told. :: name → values by "label=value,…"
func gathered(t *testing.T, a *App) map[string]map[string]float64 {
	t.Helper()
	families, err := a.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]float64{}
	for _, f := range families {
		values := map[string]float64{}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			value := m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			values[strings.Join(labels, ",")] = value
		}
		all[f.GetName()] = values
	}
	return all
}

// The manual's table and the registry name the same metrics with the same labels.
func TestMetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(symbolon_[a-z_]+)` \\| ([^|]*)\\|").FindAllStringSubmatch(string(text), -1) {
		labels := regexp.MustCompile("[a-z]+").FindAllString(m[2], -1)
		slices.Sort(labels)
		documented[m[1]] = strings.Join(labels, " ")
	}
	e := newEnv(t, nil)
	descs := make(chan *prometheus.Desc, 1000)
	e.app.metrics.registry.Describe(descs)
	close(descs)
	registered := map[string]string{}
	for d := range descs {
		m := regexp.MustCompile(`fqName: "(symbolon_[a-z_]+)".*constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}`).FindStringSubmatch(d.String())
		if m == nil {
			continue // Go's and the process's
		}
		labels := regexp.MustCompile(`[a-z]+`).FindAllString(regexp.MustCompile(`="[^"]*"`).ReplaceAllString(m[2], "")+" "+m[3], -1)
		slices.Sort(labels)
		registered[m[1]] = strings.Join(labels, " ")
	}
	if len(registered) < 10 {
		t.Fatalf("only %d metrics were found: the test reads them wrongly", len(registered))
	}
	if diff := cmp.Diff(registered, documented); diff != "" {
		t.Errorf("registered (-), documented (+):\n%s", diff)
	}
}

// moves does something and wants it to have changed metrics. :: `name{labels}` → by how much
func (e *env) moves(what string, do func(), want map[string]float64) {
	e.t.Helper()
	e.count()
	before := gathered(e.t, e.app)
	do()
	e.count()
	after := gathered(e.t, e.app)
	for at, by := range want {
		name, labels, _ := strings.Cut(strings.TrimSuffix(at, "}"), "{")
		value, there := after[name][labels]
		if got := value - before[name][labels]; !there && by >= 0 || got < by-0.001 || got > by+0.001 {
			e.t.Errorf("%s: %s went up by %v (there: %v), want %v; there is %v", what, at, got, there, by, after[name])
		}
	}
}

func (e *env) count() {
	e.t.Helper()
	if err := e.app.metrics.count(e.t.Context()); err != nil {
		e.t.Fatal(err)
	}
}

// TestMetricsMove: each metric moves when it should.
func TestMetricsMove(t *testing.T) {
	e := newEnv(t, func(c *config.Config) { c.RevocationBound = config.Duration(10 * time.Second) })
	refresh := func(text string) token.Tokens {
		got, _ := e.app.Engine.Refresh(t.Context(), token.Caller{}, token.RefreshRequest{Service: "samples", Token: text})
		return got
	}
	pair := e.issue("samples", e.ada.ID)
	first := pair.Refresh.Reveal()
	var second token.Tokens
	e.moves("a refresh", func() { second = refresh(first) }, map[string]float64{
		"symbolon_verbs_total{result=ok,verb=refresh}": 1, "symbolon_verb_seconds{verb=refresh}": 1,
		"symbolon_replays_total{kind=raced}": 0, "symbolon_replays_total{kind=lost_answer}": 0})
	e.moves("a race", func() { refresh(first) }, map[string]float64{
		"symbolon_verbs_total{result=reused,verb=refresh}": 1, "symbolon_replays_total{kind=raced}": 1, "symbolon_replays_total{kind=reuse}": 0})
	e.moves("an answer that was lost", func() { second.Lost(t.Context()); refresh(first) }, map[string]float64{
		"symbolon_verbs_total{result=ok,verb=refresh}": 1, "symbolon_replays_total{kind=lost_answer}": 1, "symbolon_replays_total{kind=raced}": 0})
	e.moves("a theft", func() {
		refresh(second.Refresh.Reveal())
		refresh(first)
		e.advance(0)
	}, map[string]float64{
		"symbolon_replays_total{kind=reuse}": 1, "symbolon_replays_total{kind=raced}": 0, "symbolon_replays_total{kind=lost_answer}": 0,
		"symbolon_revoked_bits{}": 1, "symbolon_feed_position{}": 1,
		"symbolon_grants{kind=pair,state=revoked}": 1, "symbolon_grants{kind=pair,state=live}": -1})
	e.moves("two pairs", func() { e.issue("samples", e.ada.ID); e.issue("samples", e.ada.ID) }, map[string]float64{
		"symbolon_verbs_total{result=ok,verb=issue}": 2, "symbolon_grants{kind=pair,state=live}": 2,
		"symbolon_grants_ending{days=7}": 0, "symbolon_grants_ending{days=30}": 2})
	e.moves("25 days", func() { e.advance(25 * 24 * time.Hour) }, map[string]float64{
		"symbolon_grants_ending{days=7}": 2, "symbolon_grants_ending{days=30}": 0,
		"symbolon_key_age_seconds{purpose=access,service=samples,state=signing}": 25 * 24 * 3600})
	e.moves("6 days more", func() { e.advance(6 * 24 * time.Hour) }, map[string]float64{
		"symbolon_grants_ending{days=7}": -2, "symbolon_grants{kind=pair,state=expired}": 2})
	e.moves("another server of another configuration", func() {
		e.app.noteNodes([]sqlstore.Node{{Run: 7, Name: "two", Fingerprint: "other"}, {Run: 8, Name: "three", Fingerprint: e.app.Config.Fingerprint()}})
	}, map[string]float64{"symbolon_nodes{configuration=other}": 1, "symbolon_nodes{configuration=same}": 1})
	e.moves("silence of 9 s", func() { e.silence(9 * time.Second) }, map[string]float64{"symbolon_feed_lag_seconds{}": 9, "symbolon_ready{}": 0})
	e.moves("silence past the bound", func() { e.silence(2 * time.Second) }, map[string]float64{"symbolon_feed_lag_seconds{}": 2, "symbolon_ready{}": -1})
	e.moves("news", func() { e.advance(0) }, map[string]float64{"symbolon_feed_lag_seconds{}": -11, "symbolon_ready{}": 1})
}

// TestMetricsLabels: whatever is sent, no label gets a value that is not one of few.
func TestMetricsLabels(t *testing.T) {
	e := newEnv(t, nil)
	labels := func() (all []string) {
		e.count()
		for name, values := range gathered(t, e.app) {
			for at := range values {
				if strings.HasPrefix(name, "symbolon_") && !strings.HasPrefix(name, "symbolon_verb") {
					all = append(all, name+" "+at)
				}
			}
		}
		slices.Sort(all)
		return all
	}
	e.issue("samples", e.ada.ID)
	before := labels()
	for i := range 20 {
		name := fmt.Sprint("hostile", i)
		_, _ = e.app.Engine.Refresh(t.Context(), token.Caller{Addr: name, Agent: name}, token.RefreshRequest{Service: name, Token: name})
		_, _ = e.app.Engine.Verify(t.Context(), name, name)
		e.do("GET", "/"+name, "")
		e.issue("samples", e.account(account.New{Name: name, Type: account.Person}).ID)
	}
	if diff := cmp.Diff(before, labels()); diff != "" {
		t.Errorf("labels before (-), after (+):\n%s", diff)
	}
	known := map[string]bool{"ok": true}
	for c := token.Code(0); c < 64; c++ {
		known[c.String()] = true
	}
	verbs := map[string]bool{}
	for at := range gathered(t, e.app)["symbolon_verbs_total"] {
		m := regexp.MustCompile(`^result=([a-z ]+),verb=([a-z]+)$`).FindStringSubmatch(at)
		if m == nil || !known[m[1]] {
			t.Errorf("unexpected labels %s", at)
			continue
		}
		verbs[m[2]] = true
	}
	if len(verbs) > 20 {
		t.Errorf("%d verbs: %v", len(verbs), verbs)
	}
}

// TestMetricsListener: /metrics is answered on its own address alone.
func TestMetricsListener(t *testing.T) {
	e := newEnv(t, nil)
	e.count()
	wantCode(t, e.do("GET", "/metrics", ""), http.StatusNotFound)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var served sync.WaitGroup
	served.Go(func() { e.app.serveMetrics(ctx, ln) })
	resp, err := http.Get("http://" + ln.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "\nsymbolon_grants_ending{days=\"30\"} 0\n") {
		t.Errorf("/metrics: %d %v: %.500s", resp.StatusCode, err, body)
	}
	if resp, err = http.Get("http://" + ln.Addr().String() + "/readyz"); err != nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("/readyz at the address for metrics: %v %v", resp, err)
	}
	resp.Body.Close()
	stop()
	served.Wait()
}

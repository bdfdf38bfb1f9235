package app

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

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

func TestMetricsCount(t *testing.T) {
	e := newEnv(t, nil)
	pair := e.issue("samples", e.ada.ID)
	req := token.RefreshRequest{Service: "samples", Token: pair.Refresh.Reveal()}
	for range 2 { // the second is a replay
		_, _ = e.app.Engine.Refresh(t.Context(), token.Caller{}, req)
	}
	if _, err := e.app.Engine.Revoke(t.Context(), token.Operator(), token.RevokeRequest{Grant: pair.Grant.ID}); err != nil {
		t.Fatal(err)
	}
	e.app.noteNodes([]sqlstore.Node{{Run: 7, Name: "two", Fingerprint: "other"}, {Run: 8, Name: "three", Fingerprint: e.app.Config.Fingerprint()}})
	got := gathered(t, e.app)
	for _, want := range []struct {
		name, labels string
		value        float64
	}{
		{"symbolon_verbs_total", "result=ok,verb=refresh", 1},
		{"symbolon_verbs_total", "result=reused,verb=refresh", 1},
		{"symbolon_verb_seconds", "verb=refresh", 2},
		{"symbolon_replays_total", "kind=raced", 1},
		{"symbolon_replays_total", "kind=reuse", 0},
		{"symbolon_ready", "", 1},
		{"symbolon_revoked_bits", "", 1},
		{"symbolon_nodes", "configuration=other", 1},
		{"symbolon_nodes", "configuration=same", 1},
		{"symbolon_grants", "kind=pair,state=revoked", 1},
		{"symbolon_grants_ending", "days=30", 0},
	} {
		if value, ok := got[want.name][want.labels]; !ok || value != want.value {
			t.Errorf("%s{%s} is %v, want %v; there is %v", want.name, want.labels, value, want.value, got[want.name])
		}
	}
}

package app

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkHandler is what requests cost between net/http's reading and its writing. Nothing is logged.
func BenchmarkHandler(b *testing.B) {
	x := newBench(b)
	access := x.pair("samples").Access.Reveal()
	h, err := x.Handler()
	x.must(err)
	for _, c := range []struct{ name, path string }{{"Verify", "/symbolon/verify/samples"}, {"JWKS", "/.well-known/jwks.json"}, {"StatusList", "/symbolon/status/0"}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			r := httptest.NewRequest(http.MethodGet, c.path, nil)
			r.Header.Set("Authorization", "Bearer "+access)
			for b.Loop() {
				w := &discard{header: http.Header{}} // as net/http makes them
				if h.ServeHTTP(w, r); w.status != http.StatusOK {
					b.Fatalf("answered %d", w.status)
				}
			}
		})
	}
}

// discard keeps the status of an answer alone.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Flush()                      {}

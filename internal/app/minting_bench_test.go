package app

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// BenchmarkMinting is BenchmarkHandler for requests that are answered with tokens and read no store.
func BenchmarkMinting(b *testing.B) {
	x := newBench(b)
	h, err := x.Handler()
	x.must(err)
	pair, err := x.issue("ecology", 0)
	x.must(err)
	for _, c := range []struct{ name, path, body string }{
		{"Exchange", "/auth/v1/key", fmt.Sprintf(`{"key": %q}`, x.key().Reveal())},
		{"RefreshExtending", "/auth/v1/token/refresh", fmt.Sprintf(`{"pasta-token": null, "edi-token": %q}`, pair.Access.Reveal())},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			r := httptest.NewRequest(http.MethodPost, c.path, nil)
			for b.Loop() {
				r.Body = io.NopCloser(strings.NewReader(c.body))
				w := &discard{header: http.Header{}}
				if h.ServeHTTP(w, r); w.status != http.StatusOK {
					b.Fatalf("answered %d", w.status)
				}
			}
		})
	}
}

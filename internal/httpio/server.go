package httpio

import (
	"net/http"
	"time"
)

// maxHeader leaves room for cookies and headers that carry tokens of 16 KiB.
const maxHeader = 64 << 10

// Server returns a server for addr with a limit on every phase of a connection. It does
// not listen; its ErrorLog is the caller's to set.
func Server(addr string, handler http.Handler) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       60 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       120 * time.Second,
		MaxHeaderBytes:    maxHeader,
	}
}

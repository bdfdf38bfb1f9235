package app

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"symbolon/internal/events"
)

const (
	eventsPath = "/symbolon/events"
	// minVerifierKey is the least length of the secret of who follows the stream.
	minVerifierKey = 20
)

// events is the stream of the feed. It ends with the server, which would else wait for its followers.
func (a *App) events() http.Handler {
	return &events.Stream{Source: a.Engine, Key: a.verifierKey, Stop: a.stopping, Addr: a.adapter(nil).Addr, Log: a.log,
		Beat: min(5*time.Second, time.Duration(a.Config.RevocationBound)/4)}
}

// readVerifierKey reads the secret of who follows the event stream, if there is one.
func (a *App) readVerifierKey() error {
	file := a.Config.VerifierKeyFile
	if file == "" {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading verifier_key_file: %w", err)
	}
	key := strings.TrimSpace(string(text))
	if len(key) < minVerifierKey {
		return fmt.Errorf("verifier_key_file %s holds %d characters; put a random secret of %d or more there", file, len(key), minVerifierKey)
	}
	a.verifierKey = sha256.Sum256([]byte(key))
	return nil
}

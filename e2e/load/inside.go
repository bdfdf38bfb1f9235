//go:build e2e

package load

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"symbolon/internal/app"
	"symbolon/internal/config"
)

// Inside opens, or makes, what Start serves from dir, without serving it: to make in a moment what a thousand
// requests would make in minutes. No server may run there.
func Inside(ctx context.Context, dir, settings string, do func(*app.App) error) error {
	file := filepath.Join(dir, "symbolon.yaml")
	text := fmt.Sprintf("data: %s\n%s", filepath.Join(dir, "data"), settings)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return fmt.Errorf("writing a configuration: %w", err)
	}
	c, err := config.Load(config.Sources{File: file})
	if err != nil {
		return fmt.Errorf("reading a configuration: %w", err)
	}
	a, err := app.Open(ctx, app.Options{Config: c, Now: time.Now, Log: slog.New(slog.DiscardHandler), Serve: true, Keys: true})
	if err != nil {
		return err
	}
	defer a.Close()
	return do(a)
}

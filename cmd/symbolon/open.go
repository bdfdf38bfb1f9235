package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strings"
	"time"

	"symbolon/internal/app"
	"symbolon/internal/config"
)

// flags are those that overrule the configuration, with listen from who has it.
func (c *commands) flags(listen string) map[string]string {
	given := map[string]string{"data": c.Data, "store": c.Store, "listen": listen}
	maps.DeleteFunc(given, func(_, value string) bool { return value == "" })
	return given
}

// load reads the configuration that flags, variables and files give.
func (c *commands) load(t *terminal) (*config.Config, error) {
	return c.loadWith(t, c.flags(""), false)
}

// loadWith looks at the files that the configuration names too, where files says so.
func (c *commands) loadWith(t *terminal, flags map[string]string, files bool) (*config.Config, error) {
	loaded, err := config.Load(config.Sources{File: c.Config, DataDir: c.Data, Flags: flags, Env: t.env, Files: files})
	if err != nil {
		return nil, fmt.Errorf("reading the configuration:\n%w", err)
	}
	return loaded, nil
}

// withApp opens the parts for a command and closes them behind it.
func (c *commands) withApp(ctx context.Context, t *terminal, keys bool, do func(*app.App) error) error {
	return c.with(ctx, t, app.Options{Keys: keys}, do)
}

func (c *commands) with(ctx context.Context, t *terminal, o app.Options, do func(*app.App) error) error {
	conf, err := c.load(t)
	if err != nil {
		return err
	}
	o.Config, o.Now, o.Log = conf, time.Now, logger(t.err, conf)
	a, err := app.Open(ctx, o)
	if err != nil {
		return err
	}
	defer a.Close()
	return do(a)
}

// logger writes to standard error, in UTC.
func logger(w io.Writer, c *config.Config) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindTime {
			a.Value = slog.TimeValue(a.Value.Time().UTC())
		}
		return a
	}}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// readPassword reads one line and drops its end; nothing is asked for.
func readPassword(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 8<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading the password from standard input: %w", err)
	}
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	if line == "" {
		return "", usage("standard input held no password: pipe one line into it")
	}
	return line, nil
}

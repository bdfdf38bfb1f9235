package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"symbolon/internal/app"
	"symbolon/internal/config"
)

type serveCommand struct {
	Dev    bool   `help:"Development: no configuration needed, loopback only, demo accounts, curl lines to paste."`
	Listen string `help:"Address to listen on; port 0 takes a free one." placeholder:"HOST:PORT"`
}

// devListen is where a development server listens unless told otherwise.
const devListen = "127.0.0.1:8080"

// devData is where it keeps its data.
const devData = "data"

// configName is the configuration's name in a data folder.
const configName = "symbolon.yaml"

func (c *serveCommand) Run(ctx context.Context, t *terminal, all *commands) error {
	conf, ln, err := c.listen(t, all)
	if err != nil {
		return err
	}
	defer ln.Close()
	log := logger(t.err, conf)
	for _, w := range conf.Warnings() {
		log.Warn(w)
	}
	a, err := app.Open(ctx, app.Options{Config: conf, Now: time.Now, Log: log, Serve: true, Version: version})
	if err != nil {
		return err
	}
	defer a.Close()
	if c.Dev {
		if err := publish(conf); err != nil {
			return err
		}
	}
	return a.Serve(ctx, ln, func(ctx context.Context) error {
		base := "http://" + ln.Addr().String()
		fmt.Fprintln(t.out, "serving on", base)
		if !c.Dev {
			return nil
		}
		return welcome(ctx, t, a, base)
	})
}

// listen opens the port, and makes the configuration that goes with it.
func (c *serveCommand) listen(t *terminal, all *commands) (*config.Config, net.Listener, error) {
	if c.Dev {
		return c.listenDev(t, all)
	}
	conf, err := all.loadWith(t, all.flags(c.Listen), true)
	if err != nil {
		return nil, nil, err
	}
	ln, err := openPort(conf.Listen)
	if err == nil && conf.BaseURL == "" { // any free port: now it has a number
		conf.Listen = ln.Addr().String()
		conf.Resolve()
	}
	return conf, ln, err
}

func openPort(addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w; is another server running there? Choose another address with --listen", addr, err)
	}
	return ln, nil
}

// listenDev takes the development configuration of the data folder, or makes one
// out of nothing. Flags and variables overrule it as they do every configuration;
// only the address is not remembered from one start to the next.
func (c *serveCommand) listenDev(t *terminal, all *commands) (*config.Config, net.Listener, error) {
	if all.Config != "" {
		return nil, nil, usage("--dev makes its own configuration: leave --config away, or --dev")
	}
	data := first(all.Data, t.getenv("SYMBOLON_DATA"), devData)
	listen := first(c.Listen, t.getenv("SYMBOLON_LISTEN"), devListen)
	if err := loopback(listen); err != nil {
		return nil, nil, err
	}
	ln, err := openPort(listen)
	if err != nil {
		return nil, nil, err
	}
	conf, err := loadDev(t, data, all.Store, ln.Addr().String())
	if err != nil {
		ln.Close()
		return nil, nil, err
	}
	return conf, ln, nil
}

// first returns the first text that is not empty.
func first(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}

// loadDev reads the folder's configuration, which must be one for development, or
// a new one.
func loadDev(t *terminal, data, store, addr string) (*config.Config, error) {
	file := filepath.Join(data, configName)
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		if file, err = draftDev(data); err != nil {
			return nil, err
		}
		defer os.Remove(file)
	}
	made := &commands{Config: file, Data: data, Store: store}
	conf, err := made.loadWith(t, made.flags(addr), true)
	if err != nil {
		return nil, err
	}
	if !conf.Dev {
		return nil, usage("%s is no development configuration (dev: true): leave --dev away to serve it, or try another folder with --data", file)
	}
	return conf, nil
}

// draftDev writes a new configuration beside where publish will put it.
func draftDev(data string) (file string, err error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return "", fmt.Errorf("making the data folder: %w", err)
	}
	draft, err := os.CreateTemp(data, "draft-*.yaml")
	if err == nil {
		_, err = draft.Write(config.Dev(data, "").Marshal())
		err = errors.Join(err, draft.Close())
	}
	if err != nil {
		return "", fmt.Errorf("writing the configuration: %w", err)
	}
	return draft.Name(), nil
}

// loopback refuses an address that others could reach.
func loopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return usage("--listen is HOST:PORT, such as %s, not %q", devListen, addr)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return usage("--dev listens on loopback only, not on %q: its accounts and keys are for trying out", host)
}

// publish writes the configuration that runs into the data folder, where commands
// find it. Whoever does it has the folder's lock: another server's is not touched.
func publish(conf *config.Config) error {
	conf.File = filepath.Join(conf.Data, configName)
	err := os.WriteFile(conf.File+".new", conf.Marshal(), 0o600)
	if err == nil {
		err = os.Rename(conf.File+".new", conf.File)
	}
	if err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	return nil
}

// welcome prints the demo accounts and lines to paste.
func welcome(ctx context.Context, t *terminal, a *app.App, base string) error {
	demo, err := a.PrepareDemo(ctx)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, p := range demo.Passwords {
		fmt.Fprintf(&b, "account %s, password %s (shown this once)\n", p.Account, p.Text.Reveal())
	}
	fmt.Fprintf(&b, "\nPaste these, one by one:\n")
	for _, call := range demo.Calls() {
		fmt.Fprintf(&b, "\n# %s\n%s\n", call.Title, call.Curl(base))
	}
	fmt.Fprintf(&b, "\nCommands find this server with --data %s, for example:\n  symbolon account list --data %s\n", a.Config.Data, a.Config.Data)
	_, err = fmt.Fprint(t.out, b.String())
	return err
}

package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"symbolon/internal/app"
	"symbolon/internal/config"
)

var update = flag.Bool("update", false, "write the golden texts in the scripts anew")

// TestMain lets scripts call symbolon, which must end with 0, and code N, which
// runs symbolon with the rest of its arguments and must see it end with N.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"symbolon": main,
		"code":     expectCode,
	})
}

func expectCode() {
	want, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if got := run(ctx, terminal{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Environ()}, os.Args[2:]); got != want {
		fmt.Fprintf(os.Stderr, "exit code %d, expected %d\n", got, want)
		os.Exit(1)
	}
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"folder": folder(prepare(t)),
			"serve":  serve,
			"quit":   quit, // stop is testscript's own: it ends the script
			"secret": secretFrom,
			"absent": absent,

			"variable": variable,
		},
	})
}

// prepare makes a data folder with keys and no accounts.
func prepare(t *testing.T) string {
	t.Helper()
	conf := config.Dev(t.TempDir(), "127.0.0.1:8080")
	if err := os.WriteFile(filepath.Join(conf.Data, "symbolon.yaml"), conf.Marshal(), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := app.Open(t.Context(), app.Options{Config: conf, Now: time.Now, Log: slog.New(slog.DiscardHandler), Serve: true})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if _, err := a.Keys.Legacy(t.Context(), "ecology"); err != nil {
		t.Fatal(err)
	}
	return conf.Data
}

// folder DIR makes a data folder as a server leaves it that ran for a moment.
func folder(from string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		to := ts.MkAbs(args[0])
		ts.Check(os.CopyFS(to, os.DirFS(from)))
		ts.Check(os.Chmod(filepath.Join(to, "master.key"), 0o600))
	}
}

// server is one that a script has started.
type server struct {
	out, err lockedBuffer
	end      context.CancelFunc
	code     chan int
}

// serve ARGS... starts `symbolon serve --listen 127.0.0.1:0 ARGS` in this process
// and waits until it has printed all it prints at the start.
func serve(ts *testscript.TestScript, _ bool, args []string) {
	s := &server{code: make(chan int, 1)}
	ctx, end := context.WithCancel(context.Background())
	s.end = end
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "DIR", ts.MkAbs("."))
	}
	term := terminal{in: strings.NewReader(""), out: &s.out, err: &s.err}
	go func() { s.code <- run(ctx, term, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)) }()
	ts.Defer(func() { stopServer(s) })
	last := "serving on http://"
	if args[0] == "--dev" {
		last = "symbolon account list"
	}
	for start := time.Now(); !strings.Contains(s.out.String(), last); time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > time.Minute {
			ts.Fatalf("the server did not start:\n%s%s", s.out.String(), s.err.String())
		}
	}
	running.Store(ts, s)
}

// running holds the server of each script. :: *testscript.TestScript → *server
var running sync.Map

// quit ends the server, which must exit with 0, and puts what it wrote into the
// files server.out and server.err.
func quit(ts *testscript.TestScript, _ bool, _ []string) {
	v, _ := running.LoadAndDelete(ts)
	s := v.(*server)
	if code := stopServer(s); code != 0 {
		ts.Fatalf("the server ended with %d:\n%s", code, s.err.String())
	}
	ts.Check(os.WriteFile(ts.MkAbs("server.out"), s.out.Bytes(), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("server.err"), s.err.Bytes(), 0o600))
}

func stopServer(s *server) int {
	s.end()
	code := <-s.code
	s.code <- code
	return code
}

// secret FILE BEFORE AFTER writes what stands in the last command's standard
// output between two texts into a file.
func secretFrom(ts *testscript.TestScript, _ bool, args []string) {
	_, rest, ok := strings.Cut(ts.ReadFile("stdout"), args[1])
	text, _, end := strings.Cut(rest, args[2])
	if !ok || !end || len(text) < 16 {
		ts.Fatalf("no secret between %q and %q", args[1], args[2])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// variable NAME FILE sets a variable to what stands in a file.
func variable(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], ts.ReadFile(args[1]))
}

// absent SECRETFILE FILE... fails if the secret occurs in any of the files;
// stdout and stderr are those of the last command.
func absent(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	for _, file := range args[1:] {
		if strings.Contains(ts.ReadFile(file), text) {
			ts.Fatalf("%s shows the secret of %s", file, args[0])
		}
	}
}

// lockedBuffer may be written and read at once.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

var _ io.Writer = (*lockedBuffer)(nil)

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) Bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.b.Bytes())
}

func (l *lockedBuffer) String() string { return string(l.Bytes()) }

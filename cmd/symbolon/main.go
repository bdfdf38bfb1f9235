// Command symbolon is the whole of Symbolon: the server and every command for
// its operator.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// atEnd is for the build that profiles.
var atEnd = func() {}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code := run(ctx, terminal{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Environ()}, os.Args[1:])
	atEnd()
	os.Exit(code)
}

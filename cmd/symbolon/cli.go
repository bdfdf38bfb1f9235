package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kong"

	"symbolon/internal/account"
	"symbolon/internal/config"
	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// version is the release this source will be or was.
const version = "0.1.0"

// Exit codes, the same for every command.
const (
	exitDone     = 0
	exitFailed   = 1
	exitUsage    = 2
	exitNotFound = 3
)

// terminal is all a command knows of the process around it.
type terminal struct {
	in  io.Reader
	out io.Writer // data
	err io.Writer // words
	env []string
}

// getenv returns a variable's value, "" for none.
func (t *terminal) getenv(name string) string {
	for _, v := range t.env {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// commands is the command line; its tags are the help.
type commands struct {
	Config string `help:"Configuration file." placeholder:"FILE" short:"c"`
	Data   string `help:"Data folder; a symbolon.yaml in it is the configuration." placeholder:"DIR"`
	Store  string `help:"Database, as sqlite:PATH or postgres://USER@HOST/NAME." placeholder:"URL"`
	JSON   bool   `help:"Print data as JSON." name:"json"`

	Serve      serveCommand    `cmd:"" help:"Run the server."`
	Demo       demoCommand     `cmd:"" help:"Show every request on a throw-away server."`
	Account    accountCommands `cmd:"" help:"Add, list and change accounts."`
	Group      groupCommands   `cmd:"" help:"Add, list and change groups."`
	Token      tokenCommands   `cmd:"" help:"Issue, list and revoke tokens."`
	Apikey     apikeyCommands  `cmd:"" help:"Create, list and revoke API keys."`
	SigningKey signingCommands `cmd:"" help:"List, rotate and retire signing keys."`
	MasterKey  masterCommands  `cmd:"" help:"Change the master key."`
	Conf       configCommands  `cmd:"" name:"config" help:"Check a configuration, or print an example."`
	Doctor     doctorCommand   `cmd:"" help:"Look at configuration, store, clocks, keys and all that sign-in needs; say what is wrong and what to do."`
	Migrate    migrateCommand  `cmd:"" help:"Bring the database's schema up to this program's, as the start of a server does."`
	Backup     backupCommand   `cmd:"" help:"Copy an SQLite database into a new file, beside a running server."`
	Restore    restoreCommand  `cmd:"" help:"Put a backup in the place of an SQLite database, and begin a new epoch."`
	Restored   restoredCommand `cmd:"" help:"After restoring a backup: begin a new epoch, so that nothing revoked comes back."`
	Ver        versionCommand  `cmd:"" name:"version" help:"Print the version."`
	VersionF   versionFlag     `name:"version" help:"Print the version."`
}

const description = `One self-hosted token service that speaks the token APIs which research systems already have.

Exit codes: 0 done, 1 failed, 2 wrong use, 3 nothing found. Data goes to standard output, words to standard error.

A flag beats a variable, a variable beats the configuration file. The file is the one named by --config, else symbolon.yaml ` +
	`in the folder named by --data, else $SYMBOLON_CONFIG, ./symbolon.yaml, /etc/symbolon/symbolon.yaml. ` +
	`SYMBOLON_MASTER_KEY holds the base64 of the 32 bytes that seal the signing keys, for who keeps them in no file; SYMBOLON_MASTER_KEY_NEXT the next one while it is changed. Other variables: `

func helpText() string {
	var names []string
	for _, v := range config.Variables() {
		names = append(names, v.Name)
	}
	return description + strings.Join(names, ", ") + "."
}

type versionCommand struct{}

func (versionCommand) Run(t *terminal, all *commands) error {
	if all.JSON {
		return t.printJSON(map[string]string{"version": version})
	}
	return printVersion(t)
}

type versionFlag bool

// BeforeReset answers --version before any command is asked for.
func (versionFlag) BeforeReset(t *terminal) error {
	if err := printVersion(t); err != nil {
		return err
	}
	panic(exitCode(exitDone))
}

func printVersion(t *terminal) error {
	_, err := fmt.Fprintln(t.out, "symbolon", version)
	return err
}

// exitCode is what kong's Exit throws, so that run returns instead.
type exitCode int

// run runs one command line and returns its exit code.
func run(ctx context.Context, t terminal, args []string) (code int) {
	defer func() {
		if r := recover(); r != nil {
			c, ok := r.(exitCode)
			if !ok {
				panic(r)
			}
			code = int(c)
		}
	}()
	parsed, err := newParser(ctx, &t).Parse(args)
	if err != nil {
		fmt.Fprintln(t.err, "symbolon:", err)
		fmt.Fprintln(t.err, "See: symbolon --help")
		return exitUsage
	}
	if err := parsed.Run(); err != nil {
		fmt.Fprintln(t.err, "symbolon:", err)
		return codeOf(err)
	}
	return exitDone
}

// newParser panics when the tags of commands are wrong, which every test sees.
func newParser(ctx context.Context, t *terminal) *kong.Kong {
	c := new(commands)
	return kong.Must(c, kong.Name("symbolon"), kong.Description(helpText()), kong.Writers(t.out, t.err),
		kong.Exit(func(n int) { panic(exitCode(n)) }), kong.Bind(t), kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(c), kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
}

// usageError is a wrong use that the parser cannot see.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

func usage(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// nothing says that there is none of what was asked for.
type nothing struct{ text string }

func (e nothing) Error() string { return e.text }

func codeOf(err error) int {
	var u usageError
	var n nothing
	var refused *token.Error
	switch {
	case errors.As(err, &u), errors.Is(err, account.ErrInvalid):
		return exitUsage
	case errors.As(err, &n), errors.Is(err, account.ErrNotFound):
		return exitNotFound
	case errors.As(err, &refused) && refused.Code == token.NotFound:
		return exitNotFound
	case errors.As(err, &refused) && refused.Code == token.Malformed:
		return exitUsage
	}
	return exitFailed
}

// printJSON writes v and a newline.
func (t *terminal) printJSON(v any) error {
	_, err := fmt.Fprintf(t.out, "%s\n", httpio.JSON(v))
	return err
}

// printTable writes rows of cells under a heading.
func (t *terminal) printTable(heading string, rows [][]string) error {
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.ReplaceAll(heading, " ", "\t"))
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	return w.Flush()
}

// printList writes rows as a table or their values as JSON; none at all is exit code 3.
func printList[T any](t *terminal, asJSON bool, what, heading string, all []T, row func(T) []string) error {
	switch {
	case asJSON:
		if all == nil {
			all = []T{}
		}
		if err := t.printJSON(all); err != nil {
			return err
		}
	case len(all) > 0:
		var rows [][]string
		for _, v := range all {
			rows = append(rows, row(v))
		}
		if err := t.printTable(heading, rows); err != nil {
			return err
		}
	}
	if len(all) == 0 {
		return nothing{"there are no " + what}
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"symbolon/internal/app"
	"symbolon/internal/store/sqlstore"
	"symbolon/internal/token"
)

type migrateCommand struct {
	DryRun bool `help:"Only say what would be run."`
}

// Run does what the first start of a newer program would do, before it.
func (c *migrateCommand) Run(ctx context.Context, t *terminal, all *commands) error {
	conf, err := all.load(t)
	if err != nil {
		return err
	}
	pending, err := app.Pending(ctx, conf)
	if err != nil {
		return err
	}
	if len(pending) > 0 && !c.DryRun {
		if err := all.withApp(ctx, t, false, func(*app.App) error { return nil }); err != nil {
			return err
		}
	}
	if all.JSON {
		return t.printJSON(map[string]any{"migrations": append([]string{}, pending...), "run": !c.DryRun && len(pending) > 0})
	}
	switch {
	case len(pending) == 0:
		_, err = fmt.Fprintln(t.out, "the schema is up to date")
	case c.DryRun:
		_, err = fmt.Fprintf(t.out, "to be run: %s\n", strings.Join(pending, ", "))
	default:
		_, err = fmt.Fprintf(t.out, "run: %s\n", strings.Join(pending, ", "))
	}
	return err
}

type doctorCommand struct{}

// Run ends with 1 where something is wrong.
func (doctorCommand) Run(ctx context.Context, t *terminal, all *commands) error {
	conf, err := all.load(t)
	if err != nil {
		return err
	}
	found := app.Diagnose(ctx, conf, time.Now)
	if all.JSON {
		err = t.printJSON(found)
	} else {
		err = app.WriteFindings(t.out, found)
	}
	if err != nil {
		return err
	}
	for _, f := range found {
		if f.Wrong != "" {
			return errors.New("something is wrong")
		}
	}
	return nil
}

type backupCommand struct {
	File string `arg:"" help:"New file to write; it holds everything but the master key."`
}

// Run needs no stopped server.
func (c *backupCommand) Run(ctx context.Context, t *terminal, all *commands) error {
	return all.withApp(ctx, t, false, func(a *app.App) error {
		if err := a.Backup(ctx, c.File); err != nil {
			return err
		}
		if all.JSON {
			return t.printJSON(map[string]string{"file": c.File})
		}
		_, err := fmt.Fprintf(t.out, "%s holds the database as it was a moment ago, looked through for damage; keep the master key elsewhere\n", c.File)
		return err
	})
}

// keepKeys says that nothing of the kind ended between a backup and now.
type keepKeys struct {
	KeepKeys bool `help:"Let API keys and signing keys stay: only if none was revoked or removed since the backup was made."`
}

type restoreCommand struct {
	File string `arg:"" help:"Backup to put in the place of the database."`
	keepKeys
}

// Run wants the server stopped.
func (c *restoreCommand) Run(ctx context.Context, t *terminal, all *commands) error {
	conf, err := all.load(t)
	if err != nil {
		return err
	}
	now := time.Now()
	kept, at, err := app.Restore(ctx, conf, c.File, now, c.KeepKeys)
	if err != nil {
		return err
	}
	nextSecond(now)
	if all.JSON {
		return t.printJSON(map[string]any{"epoch": at.Epoch, "kept": kept})
	}
	if kept != "" {
		fmt.Fprintln(t.out, "the database as it was is kept as", kept)
	}
	return c.printEpoch(t, at)
}

type restoredCommand struct{ keepKeys }

// Run wants the server stopped: one that runs could refresh an old token before it
// hears of the new epoch.
func (c *restoredCommand) Run(ctx context.Context, t *terminal, all *commands) error {
	return all.with(ctx, t, app.Options{Alone: true}, func(a *app.App) error {
		now := time.Now()
		at, err := a.Store.NewEpoch(ctx, sqlstore.EpochVerb{By: token.Operator(), Now: now, KeepKeys: c.KeepKeys})
		if err != nil {
			return err
		}
		nextSecond(now)
		if all.JSON {
			return t.printJSON(map[string]any{"epoch": at.Epoch})
		}
		return c.printEpoch(t, at)
	})
}

// nextSecond waits until what is made counts as made after the epoch began.
func nextSecond(now time.Time) { time.Sleep(time.Until(now.Truncate(time.Second).Add(time.Second))) }

func (k keepKeys) printEpoch(t *terminal, at token.Position) error {
	rest := "API keys have ended; accounts are as they were at the backup: disable again whom you had disabled since"
	if k.KeepKeys {
		rest = "API keys and accounts are as they were at the backup: end again what ended since"
	}
	_, err := fmt.Fprintf(t.out, "epoch %d has begun: every token made before now is refused\n%s\n", at.Epoch, rest)
	return err
}

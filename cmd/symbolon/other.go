package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"symbolon/internal/app"
	"symbolon/internal/config"
	"symbolon/internal/token"
)

type configCommands struct {
	Check   configCheck   `cmd:"" help:"Say everything that is wrong with the configuration."`
	Example configExample `cmd:"" help:"Print a commented example of every setting."`
}

type configCheck struct{}

func (configCheck) Run(t *terminal, all *commands) error {
	conf, err := all.loadWith(t, all.flags(""), true)
	if err != nil {
		return err
	}
	if err := app.CheckKeys(conf); err != nil {
		return fmt.Errorf("checking the key files:\n%w", err)
	}
	for _, w := range conf.Warnings() {
		fmt.Fprintln(t.err, "warning:", w)
	}
	if all.JSON {
		return t.printJSON(map[string]any{"ok": true, "file": conf.File, "warnings": append([]string{}, conf.Warnings()...)})
	}
	fmt.Fprintf(t.out, "%s is good: %s\n", conf.File, strings.Join(serviceNames(conf), ", "))
	for _, s := range conf.Services {
		fmt.Fprintf(t.out, "%s is verified_by %s: a revoked token is refused there %s\n", s.Name, s.VerifiedBy, s.BoundText(conf))
	}
	return nil
}

func serviceNames(c *config.Config) []string {
	var names []string
	for _, s := range c.Services {
		names = append(names, s.Name+" ("+s.Dialect+" at "+s.Path+")")
	}
	return names
}

type configExample struct{}

func (configExample) Run(t *terminal, all *commands) error {
	if all.JSON {
		return usage("the example is YAML: leave --json away")
	}
	_, err := t.out.Write(config.Example())
	return err
}

type restoredCommand struct{}

// Run wants the server stopped: one that runs could refresh an old token before it
// hears of the new epoch.
func (restoredCommand) Run(ctx context.Context, t *terminal, all *commands) error {
	return all.with(ctx, t, app.Options{Alone: true}, func(a *app.App) error {
		now := time.Now()
		at, err := a.Store.NewEpoch(ctx, token.Operator(), now)
		if err != nil {
			return err
		}
		time.Sleep(now.Truncate(time.Second).Add(time.Second).Sub(now)) // what is made after this command counts
		if all.JSON {
			return t.printJSON(map[string]any{"epoch": at.Epoch})
		}
		_, err = fmt.Fprintf(t.out, "epoch %d has begun: every token made before now is refused\n", at.Epoch)
		return err
	})
}

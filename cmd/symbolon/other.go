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

type signingCommands struct {
	List signingList `cmd:"" help:"List signing keys, without their secrets."`
}

type signingList struct{}

// keyRow is a signing key as commands print it.
type keyRow struct {
	Service  string `json:"service"`
	Purpose  string `json:"purpose"`
	Alg      string `json:"alg"`
	KID      string `json:"kid"`
	State    string `json:"state"`
	Pinned   bool   `json:"pinned"`
	Created  string `json:"created"`
	Verifies string `json:"verifies_until,omitempty"`
}

func (signingList) Run(ctx context.Context, t *terminal, all *commands) error {
	return all.withApp(ctx, t, false, func(a *app.App) error {
		keys, err := a.Store.Keys(ctx)
		if err != nil {
			return err
		}
		var rows []keyRow
		for _, k := range keys {
			rows = append(rows, keyRow{k.Service, string(k.Purpose), k.Alg, k.KID, k.State, k.Pinned, stamp(k.CreatedAt), stamp(k.VerifyUntil)})
		}
		return printList(t, all.JSON, "signing keys", "SERVICE PURPOSE ALG KID STATE PINNED CREATED", rows, func(r keyRow) []string {
			return []string{dash(r.Service), r.Purpose, r.Alg, r.KID, r.State, yes(r.Pinned), r.Created}
		})
	})
}

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
	_, err = fmt.Fprintf(t.out, "%s is good: %s\n", conf.File, strings.Join(serviceNames(conf), ", "))
	return err
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

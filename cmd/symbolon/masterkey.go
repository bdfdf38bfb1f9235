package main

import (
	"context"
	"fmt"

	"symbolon/internal/app"
)

type masterCommands struct {
	Rewrap masterRewrap `cmd:"" help:"Seal all signing keys anew under another master key, while servers run."`
}

type masterRewrap struct{}

func (masterRewrap) Run(ctx context.Context, t *terminal, all *commands) error {
	return all.withApp(ctx, t, true, func(a *app.App) error {
		done, err := a.RewrapMaster(ctx, byOperator())
		if err != nil {
			return fmt.Errorf("changing the master key: %w", err)
		}
		if all.JSON {
			return t.printJSON(map[string]any{"keys": done.Keys, "file": done.File, "old_file": done.Old})
		}
		if done.File == "" {
			fmt.Fprintln(t.err, "Start servers and commands with SYMBOLON_MASTER_KEY set to the new key from now on, without SYMBOLON_MASTER_KEY_NEXT.")
		} else {
			fmt.Fprintf(t.err, "The new master key is in %s: keep a copy of it apart from the backups of the database. "+
				"The old one is in %s: backups made before now need it.\n", done.File, done.Old)
		}
		_, err = fmt.Fprintf(t.out, "%d keys are sealed under the new master key\n", done.Keys)
		return err
	})
}

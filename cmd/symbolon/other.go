package main

import (
	"fmt"
	"strings"

	"symbolon/internal/app"
	"symbolon/internal/config"
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

//go:build e2e

package main

import (
	"time"

	"symbolon/e2e/load"
)

// flooded is the p99 of checking a token alone, and while sign-ins wait in line.
type flooded struct{ alone, among time.Duration }

// flood lets 4 clients check tokens alone, and then beside 64 that sign in.
func (b *bench) flood(into *report) error {
	c, err := load.Dial(b.server.Addr)
	if err != nil {
		return err
	}
	defer c.Close()
	p, err := load.NewPair(c, b.apiKey)
	if err != nil {
		return err
	}
	ask, err := asking(b.server, 4, p.Ask())
	if err != nil {
		return err
	}
	login := load.Post("/api/users/login", "application/json", `{"username":"demo","password":"`+password+`"}`)
	sign, err := ofServer(b.server, 64, func(_ int, c *load.Conn) func() error {
		return func() error {
			_, _, err := c.Do(login) // 503 too: the line is full
			return err
		}
	})
	if err != nil {
		return err
	}
	var alone, among []time.Duration
	for range b.rounds {
		ask.result = load.Result{}
		if err := ask.turn(b.turn); err != nil {
			return err
		}
		alone = append(alone, ask.result.Quantile(0.99))
		done := make(chan error, 1)
		go func() { done <- sign.turn(2 * b.turn) }()
		time.Sleep(b.turn / 4)
		ask.result = load.Result{}
		if err := ask.turn(b.turn); err != nil {
			return err
		}
		among = append(among, ask.result.Quantile(0.99))
		if err := <-done; err != nil {
			return err
		}
	}
	into.flood = flooded{median(alone), median(among)}
	return nil
}

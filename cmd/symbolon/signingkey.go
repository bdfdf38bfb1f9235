package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"symbolon/internal/app"
	"symbolon/internal/keyring"
)

type signingCommands struct {
	List   signingList   `cmd:"" help:"List signing keys, without their secrets."`
	Rotate signingRotate `cmd:"" help:"Publish the next signing key of a service, which will sign once others have had time to see it."`
	Retire signingRetire `cmd:"" help:"End a signing key and what it signed. With --now one that is in use, such as after a theft."`
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
	Signs    string `json:"signs_from,omitempty"`
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
			rows = append(rows, keyRow{k.Service, string(k.Purpose), k.Alg, k.KID, k.State, k.Pinned, stamp(k.CreatedAt),
				stamp(k.SignFrom), stamp(k.VerifyUntil)})
		}
		return printList(t, all.JSON, "signing keys", "SERVICE PURPOSE ALG KID STATE PINNED CREATED VERIFIES-UNTIL", rows, func(r keyRow) []string {
			return []string{dash(r.Service), r.Purpose, r.Alg, r.KID, r.State, yes(r.Pinned), r.Created, dash(r.Verifies)}
		})
	})
}

type signingRotate struct {
	Service string `arg:"" optional:"" help:"Service whose key it is; none for the key of the status lists."`
	Purpose string `help:"Key for access or for refresh tokens." enum:"access,refresh" default:"access"`
}

// rotated is what rotating prints.
type rotated struct {
	Service string `json:"service"`
	Purpose string `json:"purpose"`
	KID     string `json:"kid"`
	Signs   string `json:"signs_from"`
}

func (c *signingRotate) Run(ctx context.Context, t *terminal, all *commands) error {
	purpose := keyring.Purpose(c.Purpose)
	if c.Service == "" {
		purpose = keyring.Status
	}
	return all.withApp(ctx, t, true, func(a *app.App) error {
		if err := knownService(a, c.Service); err != nil {
			return err
		}
		next, signs, err := a.Keys.Rotate(ctx, byOperator(), c.Service, purpose)
		switch {
		case errors.Is(err, keyring.ErrNoKey):
			return nothing{err.Error()}
		case errors.Is(err, keyring.ErrNoRotation):
			return fmt.Errorf("%w. Give them the new key first, then put it into the file and restart the server: "+
				"the old one goes on verifying until its last token has ended", err)
		case err != nil:
			return err
		}
		if all.JSON {
			return t.printJSON(rotated{c.Service, string(purpose), next.KID, stamp(signs)})
		}
		fmt.Fprintln(t.err, "A running server lets it sign then, and the old one verifies until its last token has ended.")
		_, err = fmt.Fprintf(t.out, "key %s is published and signs from %s\n", next.KID, stamp(signs))
		return err
	})
}

func byOperator() keyring.Act { return keyring.Act{By: "operator", At: time.Now()} }

type signingRetire struct {
	KID string `arg:"" help:"The key, as signing-key list names it."`
	Now bool   `help:"Though it is in use: every token that it signed is refused, and a new key signs at once."`
	Yes bool   `help:"Do not ask."`
}

// retired is what retiring prints.
type retired struct {
	KID          string  `json:"kid"`
	Applications []int64 `json:"application_grants"`
}

func (c *signingRetire) Run(ctx context.Context, t *terminal, all *commands) error {
	return all.withApp(ctx, t, true, func(a *app.App) error {
		key, err := a.Keys.Find(c.KID)
		if errors.Is(err, keyring.ErrUnknownKID) {
			return nothing{err.Error()}
		}
		if err != nil {
			return err
		}
		if err := c.mayEnd(key); err != nil {
			return err
		}
		ending, err := c.applications(ctx, a, key)
		if err != nil {
			return err
		}
		if err := c.ask(t, key, ending); err != nil {
			return err
		}
		if err := a.Keys.Remove(ctx, byOperator(), key.ID); err != nil {
			return fmt.Errorf("retiring the key: %w", err)
		}
		return c.print(t, a, all.JSON, ending)
	})
}

// mayEnd lets a key go that is in use only where that was asked for.
func (c *signingRetire) mayEnd(key keyring.Info) error {
	switch {
	case c.Now:
		return nil
	case key.Purpose == keyring.MAC:
		return fmt.Errorf("the MAC key makes the numbers in tokens and never changes")
	case key.State != keyring.StateVerifying:
		return fmt.Errorf("key %s is %s: publish its successor with `symbolon signing-key rotate`, or, if it was stolen, add --now", c.KID, key.State)
	case !key.VerifyUntil.IsZero():
		return fmt.Errorf("tokens that key %s signed are good until %s, when it goes by itself: to end them now, add --now", c.KID, stamp(key.VerifyUntil))
	}
	return nil
}

// applications are the grants of tokens without an end that would end.
func (c *signingRetire) applications(ctx context.Context, a *app.App, key keyring.Info) ([]int64, error) {
	if key.Purpose != keyring.Access {
		return nil, nil
	}
	until := key.SignUntil
	if until.IsZero() {
		until = time.Now()
	}
	grants, err := a.Store.Applications(ctx, key.Service, key.SignFrom, until.Add(keyring.Settled))
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, g := range grants {
		ids = append(ids, g.ID)
	}
	return ids, nil
}

// ask wants a yes for what cannot be undone.
func (c *signingRetire) ask(t *terminal, key keyring.Info, ending []int64) error {
	what := fmt.Sprintf("every token that the %s key %s of %s signed", key.Purpose, c.KID, dash(key.Service))
	if len(ending) > 0 {
		what += fmt.Sprintf(", application tokens among them (grants %s)", strings.Trim(fmt.Sprint(ending), "[]"))
	}
	if c.Yes {
		return nil
	}
	fmt.Fprintf(t.err, "This ends %s. Type yes to go on: ", what)
	line, err := bufio.NewReader(io.LimitReader(t.in, 100)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the answer: %w", err)
	}
	fmt.Fprintln(t.err)
	if strings.TrimSpace(line) != "yes" {
		return errors.New("nothing was changed")
	}
	return nil
}

func (c *signingRetire) print(t *terminal, a *app.App, asJSON bool, ending []int64) error {
	fmt.Fprintf(t.err, "A running server refuses its tokens within a second; every other within %s. "+
		"Servers that check tokens themselves drop it when they next fetch the keys.\n", a.Config.RevocationBound)
	if asJSON {
		return t.printJSON(retired{c.KID, append([]int64{}, ending...)})
	}
	_, err := fmt.Fprintf(t.out, "key %s is gone\n", c.KID)
	return err
}

package sqlstore

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"symbolon/internal/audit"
	"symbolon/internal/token"
)

const (
	endGrant = `UPDATE grants SET revoked_at = $2, revoked_reason = $3,
		dead_at = CASE WHEN kind IN ('application', 'browser') THEN $2 ELSE dead_at END WHERE id = $1 AND revoked_at IS NULL
		RETURNING account_id, service, kind`
	selectChildren = `SELECT id FROM grants WHERE parent_id = $1 AND revoked_at IS NULL`
)

// end revokes the grants and their children, each once, with an audit line and a feed entry each. It returns the
// numbers of those that it ended, ascending; what was revoked before is not among them.
func (v *verb) end(ids []int64, reason string, kind audit.Kind) ([]int64, error) {
	all, err := v.withChildren(ids)
	if err != nil {
		return nil, fmt.Errorf("reading children: %w", err)
	}
	var ended []int64
	for _, id := range all {
		e, of := audit.Event{Grant: id, Detail: reason}, token.GrantKind("")
		err := v.QueryRow(endGrant, id, millis(v.now), reason).Scan(&e.Account, &e.Service, &of)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("revoking grant: %w", err)
		}
		if err := v.note(lineOf(kind, of), e); err != nil {
			return nil, err
		}
		v.feed = append(v.feed, token.Entry{Kind: token.EntryGrant, Grant: id, Service: e.Service, At: v.now})
		ended = append(ended, id)
	}
	return ended, nil
}

// lineOf names the end of a browser's sign-in as people do.
func lineOf(kind audit.Kind, of token.GrantKind) audit.Kind {
	if of == token.Browser && kind == audit.Revoked {
		return audit.SignedOut
	}
	return kind
}

// withChildren returns the numbers and those of everything made with them, ascending and each once.
func (v *verb) withChildren(ids []int64) ([]int64, error) {
	all := slices.Clone(ids)
	for i := 0; i < len(all); i++ {
		children, err := collect(v, value[int64], selectChildren, all[i])
		if err != nil {
			return nil, err
		}
		all = append(all, children...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// names returns a cut-off for each name by which tokens of any service may know the account. It must be asked before
// the account changes. An account that is not there has none.
func (v *verb) names(id int64) ([]token.Cutoff, error) {
	var all []token.Cutoff
	at, err := v.turn()
	if err != nil {
		return nil, err
	}
	for _, svc := range v.store.services {
		if svc.Names == nil && svc.ServiceKey == ([32]byte{}) {
			continue
		}
		sub, err := readSubject(v, svc.Name, id)
		if token.CodeOf(err) == token.NotFound {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading names of account %d: %w", id, err)
		}
		until := at.Add(max(svc.NamesLive, svc.AccessLifetime) + time.Hour)
		for _, name := range allNamesIn(svc, sub) {
			all = append(all, token.Cutoff{Service: svc.Name, Name: name, At: at, Until: until})
		}
	}
	return all, nil
}

// allNamesIn also takes in what the accounts that were joined into the subject's were called.
func allNamesIn(svc *token.Service, sub token.Subject) (all []string) {
	ids := append([]string{sub.ID}, sub.Former.IDs...)
	for _, name := range append([]string{sub.Name}, sub.Former.Names...) {
		for _, id := range ids {
			as := sub
			as.Name, as.ID = name, id
			for _, n := range namesIn(svc, as) {
				if !slices.Contains(all, n) {
					all = append(all, n)
				}
			}
		}
	}
	return all
}

// namesIn are the dialect's names for the subject, and its id where a service key may have minted tokens for it.
func namesIn(svc *token.Service, sub token.Subject) (all []string) {
	if svc.Names != nil {
		all = svc.Names(sub)
	}
	if svc.ServiceKey != ([32]byte{}) && sub.ID != "" && !slices.Contains(all, sub.ID) {
		all = append(all, sub.ID)
	}
	return all
}

const upsertCutoff = `INSERT INTO cutoffs (service, name, at, until) VALUES ($1, $2, $3, $4)
	ON CONFLICT (service, name) DO UPDATE SET
		at = CASE WHEN excluded.at > cutoffs.at THEN excluded.at ELSE cutoffs.at END,
		until = CASE WHEN excluded.until > cutoffs.until THEN excluded.until ELSE cutoffs.until END`

// cut puts cut-offs in force.
func (v *verb) cut(cutoffs []token.Cutoff) error {
	for _, c := range cutoffs {
		if _, err := v.Exec(upsertCutoff, c.Service, c.Name, millis(c.At), millis(c.Until)); err != nil {
			return fmt.Errorf("cutting off name: %w", err)
		}
		v.feed = append(v.feed, token.Entry{Kind: token.EntryCutoff, Service: c.Service, Name: c.Name, At: c.At, Until: c.Until})
	}
	return nil
}

const selectTouched = `SELECT service, kind FROM grants WHERE id = $1`

// cutLast cuts off, of names, those in services where the ended grants were the account's last live ones.
func (v *verb) cutLast(id int64, names []token.Cutoff, ended []int64) ([]token.Cutoff, error) {
	touched := map[string]bool{}
	for _, e := range ended {
		var service string
		var kind token.GrantKind
		if err := v.QueryRow(selectTouched, e).Scan(&service, &kind); err != nil {
			return nil, fmt.Errorf("reading service of ended grant: %w", err)
		}
		touched[service] = touched[service] || kind != token.Browser // from which no token came
	}
	var last []token.Cutoff
	for _, c := range names {
		keys := v.store.service(c.Service).TakesKeys
		if !touched[c.Service] && !(keys && touched[""]) {
			continue
		}
		live, err := v.hasLive(id, c.Service, keys)
		if err != nil {
			return nil, err
		}
		if !live {
			last = append(last, c)
		}
	}
	return last, v.cut(last)
}

const selectAnyLive = `SELECT EXISTS (SELECT 1 FROM grants WHERE account_id = $1 AND service = $2 AND kind <> 'browser'
	AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3))`

// hasLive reports whether the account has a live grant in the service, API keys included where it takes them.
func (v *verb) hasLive(id int64, service string, keys bool) (bool, error) {
	live, err := value[bool](v.QueryRow(selectAnyLive, id, service, millis(v.now)))
	if err == nil && !live && keys {
		live, err = value[bool](v.QueryRow(selectAnyLive, id, "", millis(v.now)))
	}
	if err != nil {
		return false, fmt.Errorf("looking for live grants: %w", err)
	}
	return live, nil
}

const (
	selectUnrevoked = `SELECT id FROM grants WHERE account_id = $1 AND revoked_at IS NULL AND kind <> 'browser' ORDER BY id`
	staleGrant      = `UPDATE grants SET stale_at = $2 WHERE id = $1`
)

// stale marks the account's grants, but for browsers, as minted from what it no longer is. It goes by state and not by time, since a clock
// that is wrong today must leave no grant out.
func (v *verb) stale(account int64) error {
	ids, err := collect(v, value[int64], selectUnrevoked, account)
	if err != nil {
		return fmt.Errorf("reading grants of account %d: %w", account, err)
	}
	at, err := v.turn()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := v.staleGrant(id, at); err != nil {
			return err
		}
	}
	return nil
}

// staleGrant marks one grant, so that nobody goes by what it was before.
func (v *verb) staleGrant(id int64, at time.Time) error {
	if _, err := v.Exec(staleGrant, id, millis(at)); err != nil {
		return fmt.Errorf("marking grant %d stale: %w", id, err)
	}
	v.feed = append(v.feed, token.Entry{Kind: token.EntryStale, Grant: id, At: at})
	return nil
}

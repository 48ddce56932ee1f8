-- Why:    whoever watches the same runs every day wants one click for them.
-- Change: table console_views.   Locks: none, the table is new.
-- Deploy: expand; the previous binary ignores it.   Undo: forward-only.

-- Lists of runs that console users keep.
create table console_views (
  keeper text not null check (length(keeper) between 1 and 200),
  name   text not null check (length(name) between 1 and 60),
  query  text not null check (length(query) <= 8000),
  primary key (keeper, name)
);

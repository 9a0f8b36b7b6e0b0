-- The rows of each table, a JSON object a line. Tables that an extension brought are not the site's.
SELECT format('SELECT json_build_object(%L, (SELECT count(*) FROM ONLY %I.%I))',
    CASE nspname WHEN 'public' THEN relname ELSE nspname || '.' || relname END, nspname, relname)
  FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
  WHERE relkind = 'r' AND nspname NOT IN ('pg_catalog', 'information_schema') AND nspname !~ '^pg_(toast|temp)'
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')
  ORDER BY nspname, relname \gexec

-- Exporting and erasing a person looks their sign-ins up.
create index sign_ins_of_person on sign_ins (user_id);

-- check: the index is there
select count(*) = 1 from pg_indexes where schemaname = current_schema() and indexname = 'sign_ins_of_person';

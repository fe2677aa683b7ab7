//! Objects that can be asked for, in the order of their names.

use crate::oid::Oid;
use crate::value::Value;

/// Something that has values under names.
pub trait Objects {
    /// The value of this very object.
    fn get(&self, name: &[u32]) -> Value;

    /// The first object after this name, or with this very name if `include`.
    fn next(&self, name: &[u32], include: bool) -> Option<(Oid, Value)>;
}

/// A part of a [`View`]: a conceptual table, or a group of scalars, which is a table with one row.
///
/// Nothing is computed before it is asked for: thirty thousand real servers with fifty columns cost nothing until then.
pub struct Table<'a> {
    /// The name above the columns.
    base: Vec<u32>,
    /// Numbers of the columns, ascending.
    columns: &'a [u32],
    /// Indexes of the rows, ascending.
    rows: Vec<Vec<u32>>,
    /// What row and column have; `None` is an empty cell.
    cell: Box<dyn Fn(usize, u32) -> Option<Value> + 'a>,
}

impl<'a> Table<'a> {
    /// A table with these rows, each with its index; `cell` is given the index of the table and the row itself.
    #[must_use]
    pub fn new<Row: 'a>(
        base: &[u32],
        columns: &'a [u32],
        rows: impl IntoIterator<Item = (Vec<u32>, Row)>,
        cell: impl Fn(&Row, u32) -> Option<Value> + 'a,
    ) -> Self {
        let mut rows: Vec<(Vec<u32>, Row)> = rows.into_iter().collect();
        rows.sort_by(|one, other| one.0.cmp(&other.0));
        rows.dedup_by(|one, other| one.0 == other.0);
        let (indexes, rows): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let cell = move |row: usize, column| rows.get(row).and_then(|row| cell(row, column));
        Self { base: base.to_vec(), columns, rows: indexes, cell: Box::new(cell) }
    }

    /// Objects without an index: `base.COLUMN.0`.
    #[must_use]
    pub fn scalars(base: &[u32], columns: &'a [u32], cell: impl Fn(u32) -> Option<Value> + 'a) -> Self {
        Self::new(base, columns, [(vec![0], ())], move |(), column| cell(column))
    }

    fn value(&self, name: &[u32]) -> Value {
        let Some((column, index)) = name.strip_prefix(&*self.base).and_then(<[u32]>::split_first) else {
            return Value::NoSuchObject;
        };
        if self.columns.binary_search(column).is_err() {
            return Value::NoSuchObject;
        }
        let row = self.rows.binary_search_by(|row| row.as_slice().cmp(index)).ok();
        row.and_then(|row| (self.cell)(row, *column)).unwrap_or(Value::NoSuchInstance)
    }

    /// The first object that is not before this name.
    fn from(&self, name: &[u32], include: bool) -> Option<(Oid, Value)> {
        // Of the name, what says where to begin among ours: nothing, if all of ours come after it.
        let within: &[u32] = match name.strip_prefix(&*self.base) {
            Some(within) => within,
            None if name < &*self.base => &[],
            None => return None,
        };
        let (first, index) = match within.split_first() {
            Some((column, index)) => (*column, index),
            None => (0, [].as_slice()),
        };
        let begin = self.columns.partition_point(|column| *column < first);
        for column in &self.columns[begin..] {
            let skipped = if *column > first {
                0
            } else {
                self.rows.partition_point(|row| {
                    let row = row.as_slice();
                    if include { row < index } else { row <= index }
                })
            };
            for row in skipped..self.rows.len() {
                if let Some(value) = (self.cell)(row, *column) {
                    let mut name = self.base.clone();
                    name.push(*column);
                    name.extend(&self.rows[row]);
                    return Some((Oid::new(&name), value));
                }
            }
        }
        None
    }
}

/// Several tables together.
#[derive(Default)]
pub struct View<'a> {
    tables: Vec<Table<'a>>,
}

impl<'a> View<'a> {
    /// All these. No table may stand in the midst of another one.
    #[must_use]
    pub fn new(mut tables: Vec<Table<'a>>) -> Self {
        tables.sort_by(|one, other| one.base.cmp(&other.base));
        Self { tables }
    }
}

impl Objects for View<'_> {
    fn get(&self, name: &[u32]) -> Value {
        // A group of scalars may stand above a table, so more than one may be meant.
        let values = self.tables.iter().filter(|table| name.starts_with(&table.base));
        let mut best = Value::NoSuchObject;
        for value in values.map(|table| table.value(name)) {
            match value {
                Value::NoSuchObject => {}
                Value::NoSuchInstance => best = value,
                _ => return value,
            }
        }
        best
    }

    fn next(&self, name: &[u32], include: bool) -> Option<(Oid, Value)> {
        // Scalars may stand on both sides of a table, so the order of the tables alone does not tell.
        self.tables
            .iter()
            .filter_map(|table| table.from(name, include))
            .min_by(|one, other| one.0.cmp(&other.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scalars 1.1 and 1.9, and between them a table at 1.5.1 with columns 2 and 3 and an empty cell.
    fn view() -> View<'static> {
        let scalars = Table::scalars(&[1], &[1, 9], |column| Some(Value::integer(column.into())));
        let rows = [(vec![2], 20), (vec![1], 10), (vec![1, 7], 17)];
        let table = Table::new(&[1, 5, 1], &[2, 3], rows, |row, column| {
            (*row != 17 || column == 3).then(|| Value::integer(i64::from(*row) + i64::from(column)))
        });
        View::new(vec![table, scalars])
    }

    #[test]
    fn a_walk_finds_every_object_once_and_in_order() {
        let view = view();
        let (mut found, mut at) = (Vec::new(), Oid::default());
        while let Some((name, value)) = view.next(at.numbers(), false) {
            assert!(name > at);
            assert_eq!(view.get(name.numbers()), value);
            assert_eq!(view.next(name.numbers(), true), Some((name.clone(), value)));
            found.push(name.to_string());
            at = name;
        }
        let expected =
            [".1.1.0", ".1.5.1.2.1", ".1.5.1.2.2", ".1.5.1.3.1", ".1.5.1.3.1.7", ".1.5.1.3.2", ".1.9.0"];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_not_there_is_told_by_kind() {
        let view = view();
        assert_eq!(view.get(&[1, 5, 1, 2, 1]), Value::Integer(12));
        assert_eq!(view.get(&[1, 5, 1, 2, 3]), Value::NoSuchInstance);
        assert_eq!(view.get(&[1, 5, 1, 2, 1, 7]), Value::NoSuchInstance, "an empty cell");
        assert_eq!(view.get(&[1, 5, 1, 4, 1]), Value::NoSuchObject);
        assert_eq!(view.get(&[1, 1]), Value::NoSuchInstance);
        assert_eq!(view.get(&[2]), Value::NoSuchObject);
        assert_eq!(view.next(&[1, 9, 0], false), None);
        assert_eq!(view.next(&[2], true), None);
    }
}

//! One tree, grown level by level.

use anomaly_core::profile::Tree;

use crate::bins::{Bins, RowBins};
use crate::histogram::{Cut, Histogram, L2, Sums};

/// Levels of cuts: 8 leaves at most.
const DEPTH: usize = 3;
/// Share of a leaf's best value that is taken.
const RATE: f64 = 0.15;

/// A growing tree, and the node that each row has reached.
#[derive(Debug)]
pub(crate) struct Growth {
    tree: Tree,
    /// Index of each row's node: below 2^(DEPTH + 1).
    nodes: Vec<u8>,
    /// By node: how its rows go on.
    ways: Vec<Option<Way>>,
}

/// Where the rows of a cut node go.
#[derive(Debug, Clone, Copy)]
struct Way {
    feature: usize,
    bin: u8,
    left: u8,
    right: u8,
}

/// A node that may still be cut.
#[derive(Debug)]
struct Open {
    node: usize,
    sums: Sums,
    histogram: Histogram,
}

/// The children of a node. Only the smaller one's rows are summed; the larger one has what is left of the parent's sums.
#[derive(Debug)]
struct Pair {
    small: Open,
    large: Open,
    is_left_small: bool,
}

impl Growth {
    /// Grows a tree on rows with these derivatives.
    pub(crate) fn new(bins: &Bins, gradients: &[Sums]) -> Self {
        let mut growth = Self { tree: Tree::default(), nodes: vec![0; gradients.len()], ways: Vec::new() };
        let mut total = Sums::default();
        for row in gradients {
            total += *row;
        }
        let mut open = vec![growth.open(total)];
        growth.sum(open.iter_mut(), bins, gradients);
        for level in 1..=DEPTH {
            let mut pairs: Vec<Pair> = open.into_iter().filter_map(|open| growth.cut(open, bins)).collect();
            growth.advance(bins);
            if level < DEPTH {
                growth.sum(pairs.iter_mut().map(|pair| &mut pair.small), bins, gradients);
            }
            open = pairs.into_iter().flat_map(Pair::into_children).collect();
        }
        growth
    }

    /// The value that each row gets.
    pub(crate) fn values(&self) -> impl Iterator<Item = f64> {
        self.nodes.iter().map(|node| self.tree.v.get(usize::from(*node)).copied().unwrap_or_default())
    }

    pub(crate) fn into_tree(self) -> Tree {
        self.tree
    }

    /// Adds a leaf, which may be cut later.
    fn open(&mut self, sums: Sums) -> Open {
        let node = self.tree.f.len();
        self.tree.f.push(-1);
        self.tree.t.push(0.0);
        self.tree.l.push(-1);
        self.tree.r.push(-1);
        self.tree.v.push(-RATE * sums.gradient / (sums.curvature + L2));
        self.ways.push(None);
        Open { node, sums, histogram: Histogram::new() }
    }

    /// Sums the rows of some nodes.
    fn sum<'a>(&self, open: impl Iterator<Item = &'a mut Open>, bins: &Bins, gradients: &[Sums]) {
        let mut histograms: Vec<Option<&mut Histogram>> = self.ways.iter().map(|_| None).collect();
        for open in open {
            if let Some(place) = histograms.get_mut(open.node) {
                *place = Some(&mut open.histogram);
            }
        }
        for ((bins, node), row) in bins.rows.iter().zip(&self.nodes).zip(gradients) {
            if let Some(Some(histogram)) = histograms.get_mut(usize::from(*node)) {
                histogram.add(bins, *row);
            }
        }
    }

    /// Cuts a node, if that gains enough. Returns its children.
    fn cut(&mut self, open: Open, bins: &Bins) -> Option<Pair> {
        let cut = open.histogram.best_cut(open.sums)?;
        let at = *bins.cuts.get(cut.feature)?.get(cut.bin)?;
        let [left, right] = [self.open(cut.left), self.open(cut.right)];
        self.lead(open.node, &cut, at, [left.node, right.node])?;
        let is_left_small = cut.left.rows < cut.right.rows;
        let (small, large) = if is_left_small { (left, right) } else { (right, left) };
        Some(Pair { small, large: Open { histogram: open.histogram, ..large }, is_left_small })
    }

    /// Leads the rows of a node to its children.
    fn lead(&mut self, node: usize, cut: &Cut, at: f64, [left, right]: [usize; 2]) -> Option<()> {
        *self.tree.f.get_mut(node)? = i32::try_from(cut.feature).ok()?;
        *self.tree.t.get_mut(node)? = at;
        *self.tree.l.get_mut(node)? = i32::try_from(left).ok()?;
        *self.tree.r.get_mut(node)? = i32::try_from(right).ok()?;
        let [bin, left, right] = [cut.bin, left, right].map(|number| u8::try_from(number).ok());
        *self.ways.get_mut(node)? = Some(Way { feature: cut.feature, bin: bin?, left: left?, right: right? });
        Some(())
    }

    /// Moves the rows of nodes that have just been cut to the children.
    fn advance(&mut self, bins: &Bins) {
        for (node, bins) in self.nodes.iter_mut().zip(&bins.rows) {
            if let Some(Some(way)) = self.ways.get(usize::from(*node)) {
                *node = way.child(bins);
            }
        }
    }
}

impl Pair {
    /// Left and right, once the smaller one is summed.
    fn into_children(self) -> [Open; 2] {
        let Self { small, mut large, is_left_small } = self;
        large.histogram.subtract(&small.histogram);
        if is_left_small { [small, large] } else { [large, small] }
    }
}

impl Way {
    fn child(self, bins: &RowBins) -> u8 {
        if bins.get(self.feature).is_some_and(|bin| *bin <= self.bin) { self.left } else { self.right }
    }
}

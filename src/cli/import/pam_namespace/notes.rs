//! Notes about a line.

use crate::cli::import::remark::Remark;
use crate::error::Location;

/// Collects what is to be said about one line.
#[derive(Debug)]
pub struct Notes<'a> {
    location: &'a Location,
    remarks: &'a mut Vec<Remark>,
}

impl<'a> Notes<'a> {
    /// Begins for the line at `location`.
    pub fn new(location: &'a Location, remarks: &'a mut Vec<Remark>) -> Self {
        Self { location, remarks }
    }

    /// Says what the policy does not carry.
    pub fn left_out(&mut self, message: impl Into<String>) {
        self.remarks.push(Remark::left_out(self.location, message));
    }

    /// Says what the policy does not carry, so that a directory is public that was not.
    pub fn left_public(&mut self, message: impl Into<String>) {
        let remark = Remark::left_public(self.location, message);
        self.remarks.push(remark);
    }

    /// Says what the policy does differently.
    pub fn different(&mut self, message: impl Into<String>) {
        self.remarks.push(Remark::different(self.location, message));
    }

    /// Says what may have been meant otherwise.
    pub fn doubtful(&mut self, message: impl Into<String>) {
        self.remarks.push(Remark::doubtful(self.location, message));
    }
}
